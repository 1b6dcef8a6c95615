/* sink: a minimal HTTP/1.1 server that swallows bulk imports as cheaply as it can, so that what is timed is
 * the importer. A thread a connection, keep-alive. It inflates the body of every POST when it is gzip, counts its
 * events (newlines for NDJSON, "event" keys for JSON arrays) and answers 200 with num_records_imported; a GET is
 * answered with the number of events that have arrived.
 * usage: sink PORT [LATENCY_MS]     PORT 0 takes any; the first line on stdout is the URL
 * build: cc -O2 -pthread -o sink sink.c -ldeflate
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <libdeflate.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_llong events;
static int latency_ms;

static char *grow(char *p, size_t *cap, size_t need) {
    if (need <= *cap) return p;
    while (*cap < need) *cap = *cap ? *cap * 2 : 1 << 20;
    return realloc(p, *cap);
}

static void *serve(void *arg) {
    int fd = (int)(long)arg, one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t cap = 1 << 20, rcap = 1 << 22, have = 0;
    char *buf = malloc(cap), *raw = malloc(rcap);
    for (;;) {
        char *end;
        while (!(end = have >= 4 ? memmem(buf, have, "\r\n\r\n", 4) : NULL)) {
            buf = grow(buf, &cap, have + 65536);
            ssize_t n = read(fd, buf + have, cap - have);
            if (n <= 0) goto out;
            have += n;
        }
        size_t head = end - buf + 4;
        *end = 0;
        if (!strncmp(buf, "GET ", 4)) {
            char js[64], out[192];
            int jl = snprintf(js, sizeof js, "{\"received\": %lld}", (long long)events);
            int ol = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", jl, js);
            if (write(fd, out, ol) < 0) {}
            break;
        }
        char *cl = strcasestr(buf, "\ncontent-length:");
        int chunked = strcasestr(buf, "\ntransfer-encoding: chunked") != NULL;
        int gz = strcasestr(buf, "\ncontent-encoding: gzip") != NULL;
        int nd = strcasestr(buf, "x-ndjson") != NULL;
        int close_after = strcasestr(buf, "\nconnection: close") != NULL;
        if (strcasestr(buf, "\nexpect: 100-continue")) { if (write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) goto out; }
        char *body; size_t blen, used;
        if (chunked) {              /* de-chunk in place into raw-sized scratch */
            size_t pos = head; static __thread char *cb; static __thread size_t ccap; size_t clen = 0;
            for (;;) {
                char *nl;
                while (!(nl = memmem(buf + pos, have - pos, "\r\n", 2))) {
                    buf = grow(buf, &cap, have + 65536);
                    ssize_t n = read(fd, buf + have, cap - have); if (n <= 0) goto out; have += n;
                }
                size_t sz = strtoul(buf + pos, NULL, 16); size_t start = nl - buf + 2;
                while (have < start + sz + 2) {
                    buf = grow(buf, &cap, start + sz + 65536);
                    ssize_t n = read(fd, buf + have, cap - have); if (n <= 0) goto out; have += n;
                }
                cb = grow(cb, &ccap, clen + sz + 1); memcpy(cb + clen, buf + start, sz); clen += sz; pos = start + sz + 2;
                if (!sz) break;
            }
            body = cb; blen = clen; used = pos;
        } else {
            blen = cl ? strtoul(cl + 16, NULL, 10) : 0;
            buf = grow(buf, &cap, head + blen);
            while (have < head + blen) {
                ssize_t n = read(fd, buf + have, head + blen - have);
                if (n <= 0) goto out;
                have += n;
            }
            body = buf + head; used = head + blen;
        }
        size_t rlen = blen; char *text = body;
        if (gz && blen) {
            for (;;) {
                enum libdeflate_result r = libdeflate_gzip_decompress(d, body, blen, raw, rcap, &rlen);
                if (r == LIBDEFLATE_INSUFFICIENT_SPACE) { rcap *= 2; raw = realloc(raw, rcap); continue; }
                if (r != LIBDEFLATE_SUCCESS) rlen = 0;
                break;
            }
            text = raw;
        }
        long long n = 0;
        if (nd) { for (char *p = text, *e = text + rlen; p < e && (p = memchr(p, '\n', e - p)); p++) n++; if (rlen && text[rlen - 1] != '\n') n++; }
        else { for (char *p = text, *e = text + rlen; p < e && (p = memmem(p, e - p, "\"event\"", 7)); p += 7) n++; }
        events += n;
        if (latency_ms) usleep(latency_ms * 1000);
        char out[256], js[128];
        int jl = snprintf(js, sizeof js, "{\"code\":200,\"num_records_imported\":%lld,\"status\":\"OK\"}", n);
        int ol = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", jl, js);
        if (write(fd, out, ol) < 0) goto out;
        memmove(buf, buf + used, have - used); have -= used;
        if (close_after) break;
    }
out:
    close(fd); free(buf); free(raw); libdeflate_free_decompressor(d);
    return NULL;
}

int main(int argc, char **argv) {
    int port = atoi(argv[1]); latency_ms = argc > 2 ? atoi(argv[2]) : 0;
    signal(SIGPIPE, SIG_IGN);
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(s, (void *)&a, sizeof a) || listen(s, 256)) { perror("bind"); return 1; }
    socklen_t size = sizeof a;
    getsockname(s, (void *)&a, &size);
    printf("http://127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int c = accept(s, NULL, NULL); pthread_t t;
        if (c < 0) continue;
        pthread_attr_t at; pthread_attr_init(&at); pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
        pthread_create(&t, &at, serve, (void *)(long)c);
    }
}
