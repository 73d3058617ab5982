// Fake Anthropic Messages API: one thread, one epoll loop, answers built once.
// It must cost far less than any proxy in front of it. The answer is chosen by the
// model name in the request body:
//   bench-small | bench-tool | bench-large          answer of 1 KB, with a tool call, of 200 KB: JSON, or,
//                                                   if the request has "stream":true, SSE sent at once
//   bench-s<N>d<US>                                 SSE, N text deltas, one per US microseconds
//   bench-t<N>d<US>                                 SSE, tool_use with N input_json_delta
// A suffix w<MS> delays the (first byte of the) answer. US = 0 sends the whole stream at once.
// Every delta carries "@" and the time it was written (16 digits, CLOCK_MONOTONIC us; zeros if
// US = 0), so that the load generator can tell how long a delta was under way.
// Usage: upstream PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAXFD = 16384, INMAX = 4 << 20 };

typedef struct { char *p; size_t n, cap; } buf;
typedef struct { int n; long us; int tool; buf all; } script; // a prepared stream
typedef struct {
  int fd, sent;          // sent: deltas written so far (slow streams)
  char *in; size_t inlen, incap;
  const char *out; size_t outlen, outoff;
  char *own;             // out, if it is ours to free
  script *st;            // slow stream under way
  const buf *later;      // answer held back by w<MS>
  long due;              // its place in the timer heap
  int heap;              // index + 1 in the heap, 0: none
} conn;

static conn *conns[MAXFD];
static conn *heap[MAXFD + 1];
static int nheap, ep;
static script scripts[256];
static int nscripts;
static buf small, tool, large, notfound;
static buf small_sse, tool_sse, large_sse; // the same, streamed: deltas of about 64 bytes

static long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void add(buf *b, const void *p, size_t n) {
  if (b->n + n > b->cap) b->p = realloc(b->p, b->cap = (b->n + n) * 2);
  memcpy(b->p + b->n, p, n);
  b->n += n;
}
static void adds(buf *b, const char *s) { add(b, s, strlen(s)); }

// The header block of the real service has about this many fields of about this size.
#define COMMON \
  "Date: Sat, 01 Nov 2025 12:00:00 GMT\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n" \
  "anthropic-ratelimit-input-tokens-limit: 4000000\r\nanthropic-ratelimit-input-tokens-remaining: 4000000\r\n" \
  "anthropic-ratelimit-input-tokens-reset: 2025-11-01T12:00:00Z\r\nanthropic-ratelimit-output-tokens-limit: 800000\r\n" \
  "anthropic-ratelimit-output-tokens-remaining: 800000\r\nanthropic-ratelimit-output-tokens-reset: 2025-11-01T12:00:00Z\r\n" \
  "anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\n" \
  "anthropic-ratelimit-requests-reset: 2025-11-01T12:00:00Z\r\nrequest-id: req_011CUfake0000000000000001\r\n" \
  "anthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\nstrict-transport-security: max-age=31536000\r\n" \
  "via: 1.1 google\r\ncf-cache-status: DYNAMIC\r\nX-Robots-Tag: none\r\nServer: cloudflare\r\nCF-RAY: 900000000000-FRA\r\n"
static const char SSE_HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                               "Transfer-Encoding: chunked\r\n" COMMON "\r\n";

static buf json_answer(const char *status, const buf *body) {
  buf b = {0};
  char h[128];
  adds(&b, "HTTP/1.1 ");
  adds(&b, status);
  sprintf(h, "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", body->n);
  adds(&b, h);
  adds(&b, COMMON "\r\n");
  add(&b, body->p, body->n);
  return b;
}

static buf message(const char *content, const char *stop) {
  buf b = {0};
  adds(&b, "{\"model\":\"claude-sonnet-4-6\",\"id\":\"msg_01FakeFakeFakeFakeFakeFak\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
  adds(&b, content);
  adds(&b, "],\"stop_reason\":\"");
  adds(&b, stop);
  adds(&b, "\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":412,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
           "\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":180,\"service_tier\":\"standard\"}}");
  return json_answer("200 OK", &b);
}

static buf text_message(size_t size) { // text ends in @END, which the load generator looks for
  static const char words[] = "The quick brown fox \\\"jumps\\\" over the lazy dog; caf\xc3\xa9 no. 42.\\n";
  buf c = {0};
  adds(&c, "{\"type\":\"text\",\"text\":\"");
  while (c.n < size) adds(&c, words);
  adds(&c, "@END\"}");
  add(&c, "", 1);
  return message(c.p, "end_turn");
}

static void event(buf *b, const char *name, const char *data) { // one event = one HTTP chunk
  char t[640], h[16];
  int n = sprintf(t, "event: %s\ndata: %s\n\n", name, data);
  add(b, h, sprintf(h, "%x\r\n", n));
  add(b, t, n);
  adds(b, "\r\n");
}

static void opening(buf *b, int tool) {
  event(b, "message_start", "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-6\",\"id\":\"msg_01FakeFakeFakeFakeFakeFak\","
        "\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":412,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1,\"service_tier\":\"standard\"}}}");
  event(b, "content_block_start", tool
        ? "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_01FakeFakeFakeFake\",\"name\":\"get_weather\",\"input\":{}}}"
        : "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
  event(b, "ping", "{\"type\": \"ping\"}");
}

static void delta(buf *b, int tool, int i, int n, long t) {
  char d[256];
  const char *pre = tool && i == 0 ? "{\\\"city\\\":\\\"" : "", *post = tool && i == n - 1 ? "\\\"}" : "";
  sprintf(d, tool ? "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"%s@%016ld t%03d%s\"}}"
                  : "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s@%016ld t%03d%s\"}}", pre, t, i % 1000, post);
  event(b, "content_block_delta", d);
}

static void closing(buf *b, int tool, int n) {
  char d[200];
  event(b, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}");
  sprintf(d, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}", tool ? "tool_use" : "end_turn", n);
  event(b, "message_delta", d);
  event(b, "message_stop", "{\"type\":\"message_stop\"}");
  adds(b, "0\r\n\r\n");
}

static void text_delta(buf *b, const char *text, size_t n) {
  char d[256];
  sprintf(d, "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%.*s\"}}", (int)n, text);
  event(b, "content_block_delta", d);
}

static buf text_stream(size_t size) {
  static const char words[] = "The quick brown fox \\\"jumps\\\" over the lazy dog; caf\xc3\xa9 no. 42.\\n";
  buf b = {0};
  adds(&b, SSE_HEAD);
  opening(&b, 0);
  for (size_t n = 0; n < size; n += sizeof words - 1) text_delta(&b, words, sizeof words - 1);
  text_delta(&b, "@END", 4);
  closing(&b, 0, 180);
  return b;
}

static buf tool_stream(void) {
  static const char *const parts[] = {"{\\\"city\\\":\\\"Paris @END\\\",", "\\\"unit\\\":\\\"celsius\\\",\\\"days\\\":3,", "\\\"hourly\\\":false,\\\"fields\\\":[\\\"temp\\\",\\\"wind\\\"]}"};
  char d[300];
  buf b = {0};
  adds(&b, SSE_HEAD);
  opening(&b, 0);
  text_delta(&b, "I'll check the weather for you.", 31);
  event(&b, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}");
  event(&b, "content_block_start", "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_01FakeFakeFakeFake\",\"name\":\"get_weather\",\"input\":{}}}");
  for (int i = 0; i < 3; i++) {
    sprintf(d, "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"%s\"}}", parts[i]);
    event(&b, "content_block_delta", d);
  }
  event(&b, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":1}");
  event(&b, "message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":180}}");
  event(&b, "message_stop", "{\"type\":\"message_stop\"}");
  adds(&b, "0\r\n\r\n");
  return b;
}

static script *get_script(int tool_, int n, long us) {
  for (int i = 0; i < nscripts; i++)
    if (scripts[i].tool == tool_ && scripts[i].n == n && scripts[i].us == us) return &scripts[i];
  if (nscripts == 256) return &scripts[0];
  script *s = &scripts[nscripts++];
  *s = (script){.n = n, .us = us, .tool = tool_};
  adds(&s->all, SSE_HEAD);
  opening(&s->all, tool_);
  if (us == 0) {
    for (int i = 0; i < n; i++) delta(&s->all, tool_, i, n, 0);
    closing(&s->all, tool_, n);
  }
  return s;
}

// ---- timers: a binary heap of connections by due time
static void put(int i, conn *c) { heap[i] = c; c->heap = i + 1; }
static void up(int i) {
  conn *c = heap[i];
  for (; i && heap[(i - 1) / 2]->due > c->due; i = (i - 1) / 2) put(i, heap[(i - 1) / 2]);
  put(i, c);
}
static void down(int i) {
  for (;;) {
    int k = 2 * i + 1;
    if (k + 1 < nheap && heap[k + 1]->due < heap[k]->due) k++;
    if (k >= nheap || heap[k]->due >= heap[i]->due) return;
    conn *c = heap[i];
    put(i, heap[k]);
    put(i = k, c);
  }
}
static void unschedule(conn *c) {
  if (!c->heap) return;
  int i = c->heap - 1;
  conn *last = heap[--nheap];
  c->heap = 0;
  if (last != c) { put(i, last); up(i); down(last->heap - 1); }
}
static void schedule(conn *c, long due) { unschedule(c); c->due = due; put(nheap, c); up(nheap++); }

// ---- connections
static void drop(conn *c) {
  unschedule(c);
  close(c->fd);
  conns[c->fd] = 0;
  free(c->in);
  free(c->own);
  free(c);
}

static int flush(conn *c) { // 0: the connection is gone
  while (c->outoff < c->outlen) {
    ssize_t n = send(c->fd, c->out + c->outoff, c->outlen - c->outoff, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
    if (n <= 0) { drop(c); return 0; }
    c->outoff += n;
  }
  return 1;
}

static int emit(conn *c, const char *p, size_t n, int owned) {
  if (c->outoff < c->outlen) { // the peer is slow: append
    size_t rest = c->outlen - c->outoff;
    char *m = malloc(rest + n);
    memcpy(m, c->out + c->outoff, rest);
    memcpy(m + rest, p, n);
    if (owned) free((char *)p);
    p = m, n += rest, owned = 1;
  }
  free(c->own);
  c->own = owned ? (char *)p : 0;
  c->out = p, c->outlen = n, c->outoff = 0;
  return flush(c);
}

static void start_slow(conn *c, script *s) {
  c->st = s, c->sent = 0;
  if (emit(c, s->all.p, s->all.n, 0)) schedule(c, now_us() + s->us);
}

static void tick(conn *c) {
  if (c->later) { const buf *b = c->later; c->later = 0; emit(c, b->p, b->n, 0); return; }
  script *s = c->st;
  if (c->sent < 0) { start_slow(c, s); return; }
  buf b = {0};
  delta(&b, s->tool, c->sent, s->n, now_us());
  int last = ++c->sent == s->n;
  if (last) { closing(&b, s->tool, s->n); c->st = 0; }
  if (emit(c, b.p, b.n, 1) && !last) schedule(c, c->due + s->us);
}

static void answer(conn *c, const char *body, size_t n) {
  char name[64] = "";
  const char *m = memmem(body, n, "bench-", 6);
  for (int i = 0; m && m + 6 + i < body + n && i < 63 && (m[6 + i] == '.' || (m[6 + i] >= '0' && m[6 + i] <= 'z')); i++) name[i] = m[6 + i], name[i + 1] = 0;
  int k = 0, cnt;
  long us, wait = 0;
  char kind;
  const buf *b = &notfound;
  script *s = 0;
  if (sscanf(name, "%c%dd%ld%n", &kind, &cnt, &us, &k) >= 3 && cnt > 0 && (kind == 's' || kind == 't')) {
    s = get_script(kind == 't', cnt, us);
    b = &s->all;
  } else if (!strncmp(name, "small", 5)) b = &small, k = 5;
  else if (!strncmp(name, "tool", 4)) b = &tool, k = 4;
  else if (!strncmp(name, "large", 5)) b = &large, k = 5;
  if (b != &notfound && !s && memmem(body, n, "\"stream\":true", 13)) b = b == &small ? &small_sse : b == &tool ? &tool_sse : &large_sse;
  if (name[k] == 'w') wait = atol(name + k + 1) * 1000;
  if (s && s->us) {
    if (!wait) { start_slow(c, s); return; }
    c->st = s, c->sent = -1;
    schedule(c, now_us() + wait);
  } else if (wait) {
    c->later = b;
    schedule(c, now_us() + wait);
  } else emit(c, b->p, b->n, 0);
}

static void readable(conn *c) {
  for (;;) {
    if (c->incap - c->inlen < 8192) {
      if (c->incap >= INMAX) { drop(c); return; }
      c->in = realloc(c->in, c->incap = c->incap ? c->incap * 2 : 16384);
    }
    ssize_t n = recv(c->fd, c->in + c->inlen, c->incap - c->inlen, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { drop(c); return; }
    c->inlen += n;
    char *end = memmem(c->in, c->inlen, "\r\n\r\n", 4);
    if (!end) continue;
    size_t head = end + 4 - c->in, need = 0;
    *end = 0;
    char *cl = strcasestr(c->in, "\r\ncontent-length:"), *te = strcasestr(c->in, "\r\ntransfer-encoding:");
    *end = '\r';
    if (cl) need = strtoul(cl + 17, 0, 10);
    else if (te) { // chunked request: wait for its end, and treat the framing as part of the text
      char *z = memmem(c->in + head, c->inlen - head, "0\r\n\r\n", 5);
      if (!z) continue;
      need = z + 5 - c->in - head;
    }
    if (c->inlen < head + need) continue;
    int fd = c->fd;
    c->inlen = 0; // no pipelining
    answer(c, c->in + head, need);
    if (conns[fd] != c) return;
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  struct rlimit rl = {MAXFD, MAXFD};
  setrlimit(RLIMIT_NOFILE, &rl);
  small = text_message(700);
  large = text_message(200000);
  tool = message("{\"type\":\"text\",\"text\":\"I'll check the weather for you.\"},{\"type\":\"tool_use\",\"id\":\"toolu_01FakeFakeFakeFake\","
                 "\"name\":\"get_weather\",\"input\":{\"city\":\"Paris @END\",\"unit\":\"celsius\",\"days\":3,\"hourly\":false,\"fields\":[\"temp\",\"wind\"]}}", "tool_use");
  small_sse = text_stream(700);
  large_sse = text_stream(200000);
  tool_sse = tool_stream();
  buf e = {0};
  adds(&e, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: no such bench model\"},\"request_id\":\"req_011CUfake\"}");
  notfound = json_answer("404 Not Found", &e);

  int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(ls, (void *)&a, sizeof a) || listen(ls, 4096)) { perror("bind"); return 1; }
  ep = epoll_create1(0);
  struct epoll_event ev = {.events = EPOLLIN, .data.fd = ls}, evs[256];
  epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
  for (;;) {
    struct timespec ts = {0}, *tp = 0;
    if (nheap) {
      long w = heap[0]->due - now_us();
      if (w < 0) w = 0;
      ts = (struct timespec){w / 1000000, w % 1000000 * 1000};
      tp = &ts;
    }
    int n = epoll_pwait2(ep, evs, 256, tp, 0);
    for (int i = 0; i < n; i++) {
      int fd = evs[i].data.fd;
      if (fd == ls) {
        while ((fd = accept4(ls, 0, 0, SOCK_NONBLOCK)) >= 0) {
          if (fd >= MAXFD) { close(fd); continue; }
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          conns[fd] = calloc(1, sizeof(conn));
          conns[fd]->fd = fd;
          ev = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        }
        continue;
      }
      if (conns[fd] && (evs[i].events & EPOLLOUT) && !flush(conns[fd])) continue;
      if (conns[fd] && (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(conns[fd]);
    }
    for (long t = now_us(); nheap && heap[0]->due <= t;) {
      conn *c = heap[0];
      unschedule(c);
      tick(c);
    }
  }
}
