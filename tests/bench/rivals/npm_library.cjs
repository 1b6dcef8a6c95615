// npm's mixpanel-import as a library: no table, no memory monitor, no progress.
// usage: node -r ./npm_host.cjs npm_library.cjs FOLDER FILE     FOLDER holds node_modules
// HIGHWATER is its stream buffer, which it also reads files with, in bytes: by default 200 at a time; 16384 is its best.
const path = require('path');
const [folder, file] = process.argv.slice(2);
const mp = require(path.join(folder, 'node_modules', 'mixpanel-import'));
mp({ token: '0'.repeat(32) }, path.resolve(file), {
	recordType: 'event', streamFormat: 'jsonl', compress: true, recordsPerBatch: 2000,
	workers: 20, transport: 'undici', abridged: true, verbose: false, logs: false,
	...(process.env.HIGHWATER ? { highWater: Number(process.env.HIGHWATER) } : {}),
}).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
