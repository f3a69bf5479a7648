/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the agent and a session worker: frames over the worker's socket pair, one exchange after the other. A frame
 * travels whole, in a memory file whose descriptor is passed: no size blocks the sender, no half frame is ever seen.
 *
 * agent -> worker: OPEN once; then a MESSAGE for each request that is to go to the ACS.
 * worker -> agent: CONNECTED after OPEN; a MESSAGE for each answer of the ACS; FAILED once, instead, and it ends. */
#pragma once

#include "agent/core/cwmp-message.h"

/* The values of 20,000 parameters fit. */
#define CHANNEL_FRAME_MAX (16U * 1024U * 1024U)

typedef enum FrameType {
        FRAME_OPEN,
        FRAME_CONNECTED,
        FRAME_MESSAGE,
        FRAME_FAILED,
        FRAME_TYPE_MAX,
} FrameType;

/* The last WWW-Authenticate of the ACS and how often its nonce was used: with it the next session need not
 * be challenged. */
typedef struct HttpCredentials {
        char *username;
        char *password;
        char *challenge;
        uint32_t nonce_count;
} HttpCredentials;

/* OpenSSL's encoding of a session is 2 KB, with the certificate of the server and a ticket in it. */
#define TLS_TICKET_MAX (16U * 1024U)

/* With what the next session worker resumes the TLS session with the ACS, instead of a handshake in full. It is a
 * secret, and for the worker alone to read (tls-ticket.h). {} is none. */
typedef struct TlsTicket {
        void *data;
        size_t size;
} TlsTicket;

/* Wipes it; it is none then. */
void tls_ticket_done(TlsTicket *t);

typedef struct Frame {
        FrameType type;
        char *url;                   /* OPEN */
        char *trusted_certificates;  /* OPEN: file with the authorities of the ACS */
        char *client_certificate;    /* OPEN: file with the own certificate and its key; NULL for none */
        bool basic_without_tls;      /* OPEN: the ACS may ask for the password in the clear */
        bool clock_is_right;         /* OPEN: certificates that are not valid yet are refused */
        bool compress;               /* OPEN: gzip what is sent */
        HttpCredentials credentials; /* OPEN; MESSAGE from the worker: challenge and nonce_count as they are now */
        TlsTicket ticket;            /* OPEN; MESSAGE from the worker: if there is a newer one */
        char *local_address;         /* CONNECTED: own numeric address towards the ACS */
        CwmpMessage *message;        /* MESSAGE */
        char *error;                 /* FAILED: a sentence for the log */
} Frame;

void frame_done(Frame *f);
#define _cleanup_frame_ _cleanup_(frame_done)

/* Sends without blocking. 0, or a negative errno; -EPIPE if the other side is gone. */
int channel_send(int fd, const Frame *f);

/* Receives one frame. *ret is the caller's. 1, 0 if the other side has closed, -EAGAIN on a non-blocking
 * descriptor, -EBADMSG for what is not a frame, -EFBIG, or another negative errno. */
int channel_receive(int fd, Frame *ret);
