// Import a file with npm's `mixpanel-import`: node import_with_mixpanel_import.cjs FOLDER event|user FILE URL undici|got
// Only the host of its requests is replaced: its own reading, batching, compression, retries and counting run as published.
"use strict";
const Module = require("node:module");
const path = require("node:path");

const [folder, recordType, file, url, transport] = process.argv.slice(2);
const API = /^https:\/\/api(-eu|-in)?\.mixpanel\.com/;
const load = Module._load;

Module._load = function (name, parent, ...rest) {
	const real = load.call(this, name, parent, ...rest);
	const ours = /[\\/]mixpanel-import[\\/]components[\\/]/.test(parent?.filename ?? "");
	if (ours && name === "undici") {
		class Pool extends real.Pool {
			constructor(origin, options) { super(API.test(origin) ? url : origin, options); }
		}
		return new Proxy(real, { get: (target, key) => (key === "Pool" ? Pool : target[key]) });
	}
	if (ours && name === "got") {
		return new Proxy(real, {
			apply: (target, self, [options]) =>
				Reflect.apply(target, self, [{ ...options, url: options.url.replace(API, url), agent: undefined }]),
		});
	}
	return real;
};

const run = require(path.join(folder, "node_modules", "mixpanel-import"));
const credentials = { token: "0123456789abcdef0123456789abcdef" };
const options = {
	recordType, transport, streamFormat: "jsonl", compress: true, recordsPerBatch: 1000, workers: 4,
	abridged: true, verbose: false, logs: false,
};
run(credentials, path.resolve(file), options).then(
	({ total, success, failed, requests }) => {
		console.log("\n" + JSON.stringify({ total, success, failed, requests }));
		process.exit(0);
	},
	(error) => { console.error(error); process.exit(1); },
);
