/* floor: the least work that any importer of an NDJSON file must do. It reads lines, takes 2000 of them (or 10 MB)
 * a batch, gzips each batch and POSTs it over N keep-alive connections. No parsing, no validation.
 * usage: floor FILE PORT THREADS LEVEL      (LEVEL: libdeflate's, 1 to 12)
 * build: cc -O2 -pthread -o floor floor.c -ldeflate
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static char *data; static size_t size, pos; static int port, level;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int next_batch(size_t *from, size_t *to) {
    pthread_mutex_lock(&mu);
    size_t p = pos, start = pos; int n = 0;
    while (p < size && n < 2000) {
        char *nl = memchr(data + p, '\n', size - p);
        size_t q = nl ? (size_t)(nl - data) + 1 : size;
        if (q - start > 10000000 && n) break;
        p = q; n++;
    }
    pos = p; pthread_mutex_unlock(&mu);
    *from = start; *to = p; return n;
}
static void *work(void *x) {
    (void)x;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (void *)&a, sizeof a)) { perror("connect"); exit(1); }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    size_t cap = 12 << 20; char *out = malloc(cap), head[512], resp[4096]; size_t f, t;
    while (next_batch(&f, &t)) {
        size_t z = libdeflate_gzip_compress(c, data + f, t - f, out, cap);
        int h = snprintf(head, sizeof head, "POST /import?strict=1&project_id=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic dTpw\r\nContent-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", z);
        if (write(fd, head, h) < 0) exit(1);
        for (size_t o = 0; o < z;) { ssize_t w = write(fd, out + o, z - o); if (w <= 0) exit(1); o += w; }
        size_t got = 0; char *e;
        do { ssize_t r = read(fd, resp + got, sizeof resp - 1 - got); if (r <= 0) exit(1); got += r; resp[got] = 0; }
        while (!(e = strstr(resp, "\r\n\r\n")) || got < (size_t)(e - resp) + 4 + strtoul(strcasestr(resp, "content-length:") + 15, 0, 10));
        if (strncmp(resp, "HTTP/1.1 200", 12)) { fprintf(stderr, "%.60s\n", resp); exit(1); }
    }
    return NULL;
}
int main(int argc, char **argv) {
    (void)argc; int fd = open(argv[1], O_RDONLY); struct stat st; fstat(fd, &st); size = st.st_size;
    data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0); madvise(data, size, MADV_SEQUENTIAL);
    port = atoi(argv[2]); int n = atoi(argv[3]); level = atoi(argv[4]);
    pthread_t t[64]; for (int i = 0; i < n; i++) pthread_create(&t[i], NULL, work, NULL);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    return 0;
}
