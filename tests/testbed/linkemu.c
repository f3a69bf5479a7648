/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The access network of the testbed: a switch whose every port is the end of an access link.
 *
 *     linkemu SOCKET PORT...
 *
 * creates one TAP interface per PORT, of that name, for the caller to move into the host's network namespace. A frame
 * that a host sends goes up its own link, and then down the link of the host that it is for. User space sees what a
 * wire would: a TAP without offloads hands out frames of at most the MTU.
 *
 * SOCKET takes datagrams, and answers each with one: "ok", "error: TEXT", or JSON.
 *
 *     set PORT up|down RATE DELAY LOSS QUEUE     bit/s, ns, lost frames per million, frames
 *     cut PORT          loses what is on its way and drops what comes
 *     mend PORT
 *     counters PORT     {"up": {"frames": n, "bytes": n, "dropped": n, "lost": n, "tcp": {...}}, "down": {...}}
 *     reset PORT        sets the counters to 0
 *     classify [TCP-PORT...]
 *                       from now on, and from 0, counts on all links IPv4 frames from and to each of these TCP ports
 *                       apart also: "tcp": {"22": {"frames": n, "bytes": n}, ...} */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "tests/testbed/link.h"

/* Hosts of one testbed; the table is walked per frame. */
#define PORTS_MAX 64U

/* Frames taken from one port before the others get their turn. */
#define BURST_MAX 64U

#define COMMAND_SIZE_MAX 256U

typedef struct Port {
        const char *name;
        int tap;
        Link up, down;
        uint8_t address[ETH_ALEN]; /* of the last frame that came from this host */
} Port;

typedef struct Emulator {
        int epoll, control;
        Port ports[PORTS_MAX];
        size_t n_ports;
        uint16_t classes[LINK_PORTS_MAX]; /* TCP ports that are counted apart, then 0 */
} Emulator;

static uint64_t now_ns(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static int open_tap(const char *name) {
        _cleanup_close_ int fd = -EBADF;
        struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

        if (strlen(name) >= sizeof(request.ifr_name))
                return -ENAMETOOLONG;
        memcpy(request.ifr_name, name, strlen(name));

        fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, TUNSETIFF, &request) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int open_control(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

/* port: NULL for the control socket. */
static int watch(Emulator *e, int fd, Port *port) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = port };

        return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static Port *find_port(Emulator *e, const char *name) {
        for (size_t i = 0; i < e->n_ports; i++)
                if (streq(e->ports[i].name, name))
                        return e->ports + i;
        return NULL;
}

/* The port behind which the address was last seen, or NULL: then all of them. */
static Port *find_destination(Emulator *e, const uint8_t *address) {
        if (address[0] & 1) /* broadcast and multicast */
                return NULL;
        for (size_t i = 0; i < e->n_ports; i++)
                if (memcmp(e->ports[i].address, address, ETH_ALEN) == 0)
                        return e->ports + i;
        return NULL;
}

static uint16_t read_be16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

/* 1 + the index of the class that the frame is of, 0 for none. Only the first fragment of a segment has its ports. */
static uint8_t classify(const Emulator *e, const Frame *f) {
        const uint8_t *ip = f->data + sizeof(struct ether_header), *tcp;

        if (f->size < sizeof(struct ether_header) + sizeof(struct ip) ||
            read_be16(f->data + 2 * ETH_ALEN) != ETHERTYPE_IP || ip[9] != IPPROTO_TCP ||
            (read_be16(ip + 6) & IP_OFFMASK) != 0)
                return 0;
        tcp = ip + (ip[0] & 0x0f) * 4;
        if (tcp + 4 > f->data + f->size)
                return 0;
        for (size_t i = 0; i < LINK_PORTS_MAX && e->classes[i] != 0; i++)
                if (read_be16(tcp) == e->classes[i] || read_be16(tcp + 2) == e->classes[i])
                        return (uint8_t) (i + 1);
        return 0;
}

static void receive_frames(Emulator *e, Port *p, uint64_t now) {
        for (size_t i = 0; i < BURST_MAX; i++) {
                _cleanup_free_ Frame *f = malloc(sizeof(Frame));
                ssize_t n;

                if (!f)
                        return;
                n = read(p->tap, f->data, sizeof(f->data));
                if (n < 0 && errno == EBADFD) /* the host's namespace went, and the interface with it */
                        (void) epoll_ctl(e->epoll, EPOLL_CTL_DEL, p->tap, NULL);
                if (n < (ssize_t) sizeof(struct ether_header))
                        return;

                f->size = (size_t) n;
                f->port = classify(e, f);
                memcpy(p->address, f->data + ETH_ALEN, ETH_ALEN);
                link_offer(&p->up, TAKE_PTR(f), now);
        }
}

static void forward(Emulator *e, const Port *from, Frame *frame) {
        _cleanup_free_ Frame *f = frame;
        Port *to = find_destination(e, f->data);
        uint64_t when = f->due;

        if (to) {
                if (to != from)
                        link_offer(&to->down, TAKE_PTR(f), when);
                return;
        }

        for (size_t i = 0; i < e->n_ports; i++) {
                Frame *copy;

                if (e->ports + i == from)
                        continue;
                copy = malloc(sizeof(Frame));
                if (!copy)
                        return;
                copy->size = f->size;
                copy->port = f->port;
                memcpy(copy->data, f->data, f->size);
                link_offer(&e->ports[i].down, copy, when);
        }
}

/* Moves every frame on to where it is by now. Returns when the next one gets somewhere, or UINT64_MAX. */
static uint64_t advance(Emulator *e, uint64_t now) {
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i < e->n_ports; i++) {
                Frame *f;

                while ((f = link_take(&e->ports[i].up, now)))
                        forward(e, e->ports + i, f);
                next = MIN(next, link_next(&e->ports[i].up));
        }

        for (size_t i = 0; i < e->n_ports; i++) {
                Frame *f;

                /* A host that is off does not take it: that is no different from a frame lost behind the link. */
                while ((f = link_take(&e->ports[i].down, now))) {
                        (void) !write(e->ports[i].tap, f->data, f->size);
                        free(f);
                }
                next = MIN(next, link_next(&e->ports[i].down));
        }

        return next;
}

static void cut(Port *p, bool down) {
        p->up.down = p->down.down = down;
        if (!down)
                return;
        link_flush(&p->up);
        link_flush(&p->down);
}

static int configure(Port *p, char *const *words, size_t n) {
        LinkSettings s = {};
        Link *l;

        if (n != 7)
                return -EINVAL;
        l = streq(words[2], "up") ? &p->up : streq(words[2], "down") ? &p->down : NULL;
        if (!l || parse_uint64(words[3], &s.rate) < 0 || parse_uint64(words[4], &s.delay) < 0 ||
            parse_uint32(words[5], &s.loss) < 0 || parse_uint32(words[6], &s.queue) < 0)
                return -EINVAL;
        if (s.loss > 1000000 || s.queue == 0 || s.queue > LINK_QUEUE_MAX)
                return -ERANGE;

        l->settings = s;
        return 0;
}

static void print_counters(const Emulator *e, const Link *l, FILE *f) {
        const LinkCounters *c = &l->counters;

        fprintf(f,
                "{\"frames\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"lost\": %" PRIu64
                ", \"tcp\": {",
                c->frames, c->bytes, c->dropped, c->lost);
        for (size_t i = 0; i < LINK_PORTS_MAX && e->classes[i] != 0; i++)
                fprintf(f, "%s\"%u\": {\"frames\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", i > 0 ? ", " : "",
                        e->classes[i], l->ports[i].frames, l->ports[i].bytes);
        fputs("}}", f);
}

static char *format_counters(const Emulator *e, const Port *p) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        fputs("{\"up\": ", f);
        print_counters(e, &p->up, f);
        fputs(", \"down\": ", f);
        print_counters(e, &p->down, f);
        fputs("}", f);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static void reset_counters(Port *p) {
        p->up.counters = p->down.counters = (LinkCounters) {};
        memset(p->up.ports, 0, sizeof(p->up.ports));
        memset(p->down.ports, 0, sizeof(p->down.ports));
}

static int set_classes(Emulator *e, char *const *ports) {
        uint16_t classes[LINK_PORTS_MAX] = {};

        for (size_t i = 0; ports[i]; i++) {
                uint32_t n;

                if (i == LINK_PORTS_MAX)
                        return -E2BIG;
                if (parse_uint32(ports[i], &n) < 0 || n == 0 || n > UINT16_MAX)
                        return -EINVAL;
                classes[i] = (uint16_t) n;
        }
        memcpy(e->classes, classes, sizeof(classes));
        for (size_t i = 0; i < e->n_ports; i++)
                reset_counters(e->ports + i);
        return 0;
}

/* Runs one command. Returns the reply, NULL without memory. */
static char *run_command(Emulator *e, const char *command) {
        _cleanup_strv_free_ char **words = NULL;
        size_t n;
        Port *p;
        int r = 0;

        if (strv_split(command, " ", &words) < 0)
                return NULL;

        n = strv_length(words);
        if (n > 0 && streq(words[0], "classify")) {
                r = set_classes(e, words + 1);
                return r < 0 ? strfmt("error: %s", strerror(-r)) : strfmt("ok");
        }
        p = n >= 2 ? find_port(e, words[1]) : NULL;
        if (!p)
                return strfmt("error: no such port");

        if (streq(words[0], "counters"))
                return format_counters(e, p);
        if (streq(words[0], "set"))
                r = configure(p, words, n);
        else if (streq(words[0], "cut"))
                cut(p, true);
        else if (streq(words[0], "mend"))
                cut(p, false);
        else if (streq(words[0], "reset"))
                reset_counters(p);
        else
                r = -EOPNOTSUPP;

        return r < 0 ? strfmt("error: %s", strerror(-r)) : strfmt("ok");
}

static void serve_control(Emulator *e) {
        _cleanup_free_ char *reply = NULL;
        char command[COMMAND_SIZE_MAX + 1];
        struct sockaddr_un client;
        socklen_t client_size = sizeof(client);
        ssize_t n;

        n = recvfrom(e->control, command, COMMAND_SIZE_MAX, 0, (struct sockaddr *) &client, &client_size);
        if (n < 0)
                return;

        command[n] = 0;
        reply = run_command(e, command);
        if (reply)
                (void) sendto(e->control, reply, strlen(reply), 0, (struct sockaddr *) &client, client_size);
}

static int serve(Emulator *e) {
        uint64_t now = now_ns(), next = UINT64_MAX;

        for (;;) {
                struct epoll_event events[PORTS_MAX];
                struct timespec timeout = {};
                int n;

                if (next > now) {
                        timeout.tv_sec = (time_t) ((next - now) / NSEC_PER_SEC);
                        timeout.tv_nsec = (long) ((next - now) % NSEC_PER_SEC);
                }
                n = epoll_pwait2(e->epoll, events, ELEMENTSOF(events), next == UINT64_MAX ? NULL : &timeout, NULL);
                if (n < 0 && errno != EINTR)
                        return -errno;

                now = now_ns();
                for (int i = 0; i < n; i++) {
                        Port *p = events[i].data.ptr;

                        if (p)
                                receive_frames(e, p, now);
                        else
                                serve_control(e);
                }

                next = advance(e, now);
                now = now_ns();
        }
}

static int emulator_init(Emulator *e, const char *socket_path, char **names, size_t n_names) {
        int r;

        e->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (e->epoll < 0)
                return -errno;

        for (; e->n_ports < n_names; e->n_ports++) {
                Port *p = e->ports + e->n_ports;

                p->name = names[e->n_ports];
                link_init(&p->up, e->n_ports * 2 + 1);
                link_init(&p->down, e->n_ports * 2 + 2);
                p->tap = open_tap(p->name);
                if (p->tap < 0)
                        return p->tap;
                r = watch(e, p->tap, p);
                if (r < 0)
                        return r;
        }

        /* Last, since the socket says that the interfaces are there. */
        e->control = open_control(socket_path);
        return e->control < 0 ? e->control : watch(e, e->control, NULL);
}

int main(int argc, char *argv[]) {
        static Emulator emulator;
        int r;

        if (argc < 3 || (size_t) argc - 2 > PORTS_MAX) {
                fprintf(stderr, "usage: linkemu SOCKET PORT... (at most %u)\n", PORTS_MAX);
                return EXIT_FAILURE;
        }

        /* The default slack of 50 us would be a sixth of the LAN's round trip. */
        (void) prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);

        r = emulator_init(&emulator, argv[1], argv + 2, (size_t) argc - 2);
        if (r >= 0)
                r = serve(&emulator);

        fprintf(stderr, "linkemu: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
