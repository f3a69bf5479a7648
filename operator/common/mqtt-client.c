/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mosquitto.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/common/mqtt-client.h"

#define KEEPALIVE_SEC 60
/* libmosquitto looks at its keep-alive when it is called; a quarter is soon enough. */
#define MISC_INTERVAL_USEC (KEEPALIVE_SEC * 1000000ULL / 4)
#define RECONNECT_MIN_USEC 250000ULL
#define RECONNECT_MAX_USEC 30000000ULL
#define ACCURACY_USEC 10000ULL
/* Packets read from the socket before other sources of the event loop get their turn. */
#define READ_BATCH 20

/* What the connecting thread and the client share; the last one of the two frees it. libmosquitto's
 * connect resolves names and waits for the TCP handshake, which has no place on the event loop. */
typedef struct Connector {
        struct mosquitto *mosq;
        char *host;
        int port;
        int event_fd; /* written when the attempt is over */
        int rc;       /* MOSQ_ERR_ of the attempt; errno if that is MOSQ_ERR_ERRNO */
        int saved_errno;
        unsigned n_ref; /* atomic */
} Connector;

struct MqttClient {
        sd_event *event;
        Connector *connector;
        MqttHandlers handlers;
        void *userdata;
        char **filters;
        sd_event_source *connector_source, *io_source, *misc_source, *reconnect_source;
        uint64_t reconnect_usec; /* the next wait */
        unsigned n_unacknowledged;
        bool connected : 1;
        bool connecting : 1;
        bool was_warned : 1; /* the loss of this connection is in the log already */
        bool refuse : 1;     /* a handler failed: close without acknowledging */
};

static Connector *connector_unref(Connector *c) {
        if (!c || __atomic_sub_fetch(&c->n_ref, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;
        if (c->mosq)
                mosquitto_destroy(c->mosq);
        (void) mosquitto_lib_cleanup();
        (void) safe_close(c->event_fd);
        free(c->host);
        free(c);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Connector *, connector_unref);

static int mosquitto_errno(int rc, int saved_errno) {
        switch (rc) {
        case MOSQ_ERR_SUCCESS:
                return 0;
        case MOSQ_ERR_NOMEM:
                return -ENOMEM;
        case MOSQ_ERR_INVAL:
        case MOSQ_ERR_MALFORMED_UTF8:
        case MOSQ_ERR_NOT_SUPPORTED:
                return -EINVAL;
        case MOSQ_ERR_PAYLOAD_SIZE:
        case MOSQ_ERR_OVERSIZE_PACKET:
                return -EMSGSIZE;
        case MOSQ_ERR_NO_CONN:
        case MOSQ_ERR_CONN_LOST:
                return -ENOTCONN;
        case MOSQ_ERR_ERRNO:
                return saved_errno > 0 ? -saved_errno : -EIO;
        case MOSQ_ERR_EAI:
                return -EHOSTUNREACH;
        default:
                return -EPROTO;
        }
}

static void *connect_thread(void *userdata) {
        Connector *c = userdata;

        c->rc = mosquitto_connect(c->mosq, c->host, c->port, KEEPALIVE_SEC);
        c->saved_errno = errno;
        (void) eventfd_write(c->event_fd, 1);
        (void) connector_unref(c);
        return NULL;
}

static void schedule_reconnect(MqttClient *c);

static int start_connect(MqttClient *c) {
        pthread_attr_t attr;
        pthread_t thread;
        int r;

        assert(!c->connecting);

        __atomic_add_fetch(&c->connector->n_ref, 1, __ATOMIC_ACQ_REL);
        c->connecting = true;
        (void) pthread_attr_init(&attr);
        (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        r = pthread_create(&thread, &attr, connect_thread, c->connector);
        (void) pthread_attr_destroy(&attr);
        if (r != 0) {
                c->connecting = false;
                (void) connector_unref(c->connector);
                schedule_reconnect(c);
        }
        return -r;
}

static int on_reconnect(sd_event_source *s, uint64_t usec, void *userdata) {
        MqttClient *c = userdata;

        c->reconnect_source = sd_event_source_disable_unref(c->reconnect_source);
        (void) start_connect(c);
        return 0;
}

static void schedule_reconnect(MqttClient *c) {
        uint64_t jitter = 0;

        if (c->reconnect_source)
                return;
        (void) getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK);
        (void) sd_event_add_time_relative(
                        c->event,
                        &c->reconnect_source,
                        CLOCK_MONOTONIC,
                        c->reconnect_usec / 2 + jitter % c->reconnect_usec,
                        ACCURACY_USEC,
                        on_reconnect,
                        c);
        c->reconnect_usec = MIN(c->reconnect_usec * 2, RECONNECT_MAX_USEC);
}

/* The connection is gone, or must go: nothing that waits to be written (acknowledgements too) leaves any
 * more. */
static void drop_connection(MqttClient *c, const char *why) {
        if (!c->was_warned)
                log_warning("No connection to the MQTT broker %s:%i: %s", c->connector->host, c->connector->port, why);
        c->was_warned = true;
        c->connected = false;
        c->io_source = sd_event_source_disable_unref(c->io_source);
        c->misc_source = sd_event_source_disable_unref(c->misc_source);
        schedule_reconnect(c);
}

static void update_io(MqttClient *c) {
        if (c->io_source)
                (void) sd_event_source_set_io_events(
                                c->io_source, EPOLLIN | (mosquitto_want_write(c->connector->mosq) ? EPOLLOUT : 0));
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        MqttClient *c = userdata;
        int rc = MOSQ_ERR_SUCCESS;

        /* errors and hang-ups show when reading */
        if (revents & ~(uint32_t) EPOLLOUT)
                rc = mosquitto_loop_read(c->connector->mosq, READ_BATCH);
        if (rc == MOSQ_ERR_SUCCESS && c->refuse) {
                c->refuse = false;
                /* libmosquitto would write the acknowledgement with the next packet. */
                (void) shutdown(fd, SHUT_RDWR);
                drop_connection(c, "a message could not be stored, it will be delivered again");
                return 0;
        }
        if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(c->connector->mosq))
                rc = mosquitto_loop_write(c->connector->mosq, 1);
        if (rc != MOSQ_ERR_SUCCESS)
                drop_connection(c, mosquitto_strerror(rc));
        update_io(c);
        return 0;
}

static int on_misc(sd_event_source *s, uint64_t usec, void *userdata) {
        MqttClient *c = userdata;
        int rc = mosquitto_loop_misc(c->connector->mosq);

        if (rc != MOSQ_ERR_SUCCESS) {
                drop_connection(c, mosquitto_strerror(rc));
                return 0;
        }
        update_io(c);
        (void) sd_event_source_set_time_relative(s, MISC_INTERVAL_USEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

/* The thread is done: from here on libmosquitto is driven by the loop. */
static int on_connect_done(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        MqttClient *c = userdata;
        eventfd_t value;
        int r;

        (void) eventfd_read(fd, &value);
        c->connecting = false;
        if (c->connector->rc != MOSQ_ERR_SUCCESS) {
                drop_connection(
                                c,
                                c->connector->rc == MOSQ_ERR_ERRNO ? strerror(c->connector->saved_errno)
                                                                   : mosquitto_strerror(c->connector->rc));
                return 0;
        }
        r = sd_event_add_io(c->event, &c->io_source, mosquitto_socket(c->connector->mosq), EPOLLIN, on_io, c);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                c->event, &c->misc_source, CLOCK_MONOTONIC, MISC_INTERVAL_USEC, 0, on_misc, c);
        if (r < 0)
                drop_connection(c, strerror(-r));
        update_io(c);
        return 0;
}

static void on_connack(struct mosquitto *mosq, void *userdata, int rc) {
        MqttClient *c = userdata;

        if (rc != 0) {
                /* The broker closes the connection now, which is seen as its loss. */
                log_error("The MQTT broker %s:%i refused the connection: %s",
                          c->connector->host,
                          c->connector->port,
                          mosquitto_connack_string(rc));
                c->was_warned = true;
                return;
        }
        STRV_FOREACH(f, c->filters)
                (void) mosquitto_subscribe(mosq, NULL, *f, 1);
        log_info("Connected to the MQTT broker %s:%i.", c->connector->host, c->connector->port);
        c->connected = true;
        c->was_warned = false;
        c->reconnect_usec = RECONNECT_MIN_USEC;
        if (c->handlers.connected)
                c->handlers.connected(c, c->userdata);
}

static void on_message(struct mosquitto *mosq, void *userdata, const struct mosquitto_message *m) {
        MqttClient *c = userdata;
        int r;

        /* What follows a message that was refused must not overtake it. */
        if (c->refuse)
                return;
        if (m->payloadlen < 0 || (unsigned) m->payloadlen > MQTT_PAYLOAD_MAX) {
                log_warning("A message of %i bytes on %s is ignored: too large.", m->payloadlen, m->topic);
                return;
        }
        r = c->handlers.message(c, m->topic, m->payload ?: "", (size_t) m->payloadlen, c->userdata);
        if (r < 0) {
                log_error_errno(r, "A message on %s could not be processed: %m", m->topic);
                c->refuse = true;
        }
}

static void on_publish(struct mosquitto *mosq, void *userdata, int mid) {
        MqttClient *c = userdata;

        if (c->n_unacknowledged > 0 && --c->n_unacknowledged == 0 && c->handlers.drained)
                c->handlers.drained(c, c->userdata);
}

static int configure(MqttClient *c, const MqttSettings *settings) {
        struct mosquitto *mosq = c->connector->mosq;
        int rc;

        mosquitto_connect_callback_set(mosq, on_connack);
        mosquitto_message_callback_set(mosq, on_message);
        mosquitto_publish_callback_set(mosq, on_publish);
        /* "Threaded" makes libmosquitto queue what it sends until mosquitto_loop_write(). Otherwise it would
         * acknowledge a message before the handler has seen it. */
        rc = mosquitto_threaded_set(mosq, true);
        /* An acknowledgement must not wait for the broker's, nor a command for an acknowledgement. */
        if (rc == MOSQ_ERR_SUCCESS)
                rc = mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
        if (rc == MOSQ_ERR_SUCCESS && settings->username)
                rc = mosquitto_username_pw_set(mosq, settings->username, settings->password);
        if (rc != MOSQ_ERR_SUCCESS)
                return mosquitto_errno(rc, errno);
        if (!settings->ca_file)
                return 0;
        if (access(settings->ca_file, R_OK) < 0)
                return -errno;
        rc = mosquitto_tls_set(mosq, settings->ca_file, NULL, settings->certificate, settings->key, NULL);
        if (rc == MOSQ_ERR_SUCCESS)
                rc = mosquitto_tls_opts_set(mosq, 1, "tlsv1.2", NULL);
        return mosquitto_errno(rc, errno);
}

static int connector_new(Connector **ret, const MqttSettings *settings, void *userdata) {
        _cleanup_(connector_unrefp) Connector *c = NULL;

        if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
                return -ENOMEM;
        c = calloc(1, sizeof(*c));
        if (!c) {
                (void) mosquitto_lib_cleanup();
                return -ENOMEM;
        }
        c->n_ref = 1;
        c->port = settings->port;
        c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->event_fd < 0)
                return -errno;
        c->host = strdup(settings->host);
        if (!c->host)
                return -ENOMEM;
        c->mosq = mosquitto_new(settings->client_id, false, userdata);
        if (!c->mosq)
                return -errno;
        *ret = TAKE_PTR(c);
        return 0;
}

int mqtt_client_new(
                MqttClient **ret,
                sd_event *event,
                const MqttSettings *settings,
                const char *const *filters,
                const MqttHandlers *handlers,
                void *userdata) {
        _cleanup_(mqtt_client_freep) MqttClient *c = NULL;
        int r;

        assert(handlers->message);

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->handlers = *handlers;
        c->userdata = userdata;
        c->reconnect_usec = RECONNECT_MIN_USEC;
        r = strv_copy((char *const *) filters, &c->filters);
        if (r < 0)
                return r;
        r = connector_new(&c->connector, settings, c);
        if (r < 0)
                return r;
        r = configure(c, settings);
        if (r < 0)
                return r;
        r = sd_event_add_io(
                        event, &c->connector_source, c->connector->event_fd, EPOLLIN, on_connect_done, c);
        if (r < 0)
                return r;
        r = start_connect(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

MqttClient *mqtt_client_free(MqttClient *c) {
        if (!c)
                return NULL;
        if (c->connected) {
                (void) mosquitto_disconnect(c->connector->mosq);
                (void) mosquitto_loop_write(c->connector->mosq, 1);
        }
        (void) sd_event_source_disable_unref(c->io_source);
        (void) sd_event_source_disable_unref(c->misc_source);
        (void) sd_event_source_disable_unref(c->reconnect_source);
        (void) sd_event_source_disable_unref(c->connector_source);
        (void) connector_unref(c->connector);
        (void) sd_event_unref(c->event);
        (void) strv_free(c->filters);
        free(c);
        return NULL;
}

bool mqtt_client_is_connected(const MqttClient *c) {
        return c->connected;
}

int mqtt_client_publish(MqttClient *c, const char *topic, const char *payload, size_t size) {
        int r;

        if (size > MQTT_PAYLOAD_MAX)
                return -EMSGSIZE;
        if (!c->connected)
                return -ENOTCONN;
        if (c->n_unacknowledged >= MQTT_UNACKNOWLEDGED_MAX)
                return -EAGAIN;
        r = mosquitto_errno(
                        mosquitto_publish(c->connector->mosq, NULL, topic, (int) size, payload, 1, false), errno);
        if (r < 0)
                return r;
        c->n_unacknowledged++;
        update_io(c);
        return 0;
}
