/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content of files: blobs by their ids, each straight to its place. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-object.h"
#include "syncd/object-map.h"
#include "syncd/transfer-part.h"
#include "syncd/transfer.h"

/* Parts that are open at once: chunks of one file come together. */
#define PARTS_OPEN 8U
/* A request is of as many bytes as come in about a second, so that a stop is soon done, on any line; but not
 * of less or more than this. The server's work for each is worth that of a MiB. */
#define REQUEST_MIN (UINT64_C(1) << 20)
#define REQUEST_MAX (UINT64_C(32) << 20)
#define REQUEST_USEC UINT64_C(1000000)
/* What is still missing after all answers, is asked for again; each round must bring something. */
#define ROUNDS_MAX 64U

typedef struct OpenPart {
        uint32_t file;
        int fd;
} OpenPart;

typedef struct ContentFetch {
        Transfer *t;
        WantedFile *files;
        const WantedItem *items;
        size_t n_items;
        bool proven;     /* as in Wanted */
        ObjectMap blobs; /* index of the first item that wants it */
        uint32_t *next;  /* of each item: the next one with the same blob, or n_items */
        bool *arrived;   /* of each item */
        OpenPart open[PARTS_OPEN];
        size_t n_open; /* ever opened: a ring */
        uint64_t done;
        uint64_t total;
        uint64_t request_bytes; /* of the next request */
        uint64_t answered;      /* when the last answer was complete, microseconds */
        bool stopped;           /* nothing more is to be asked for */
        int large_fd;
} ContentFetch;

static void fetch_done(ContentFetch *f) {
        for (size_t i = 0; i < MIN(f->n_open, (size_t) PARTS_OPEN); i++)
                f->open[i].fd = safe_close(f->open[i].fd);
        object_map_done(&f->blobs);
        free(f->next);
        free(f->arrived);
        safe_close(f->large_fd);
}

static int fetch_init(ContentFetch *f, Transfer *t, const Wanted *w) {
        *f = (ContentFetch){
                .t = t,
                .files = w->files,
                .items = w->items,
                .proven = w->proven,
                .n_items = w->n_items,
                .large_fd = -EBADF,
                .request_bytes = 2 * REQUEST_MIN,
        };
        f->next = calloc(w->n_items + 1, sizeof(*f->next));
        f->arrived = calloc(w->n_items + 1, sizeof(*f->arrived));
        if (!f->next || !f->arrived)
                return -ENOMEM;
        /* From the last to the first, so that the first item of a blob heads its list. */
        for (size_t i = w->n_items; i-- > 0;) {
                git_oid id;
                uint32_t head = (uint32_t) w->n_items;
                int r;

                git_store_oid_from_sync(&id, &w->items[i].blob);
                (void) object_map_find(&f->blobs, &id, &head);
                f->next[i] = head;
                r = object_map_set(&f->blobs, &id, (uint32_t) i);
                if (r < 0)
                        return r;
                f->total += w->items[i].length;
        }
        return 0;
}

/* -EBADF if the part is not open. */
static int open_part(const ContentFetch *f, uint32_t file) {
        for (size_t i = 0; i < MIN(f->n_open, (size_t) PARTS_OPEN); i++)
                if (f->open[i].fd >= 0 && f->open[i].file == file)
                        return f->open[i].fd;
        return -EBADF;
}

static int part_fd(ContentFetch *f, uint32_t file, uint64_t size) {
        int r, fd = open_part(f, file);
        OpenPart *slot;

        if (fd >= 0)
                return fd;
        r = transfer_part_open(&f->t->area, &f->files[file].file, size, &fd);
        if (r < 0)
                return r;
        slot = f->open + f->n_open++ % PARTS_OPEN;
        if (f->n_open > PARTS_OPEN)
                safe_close(slot->fd);
        *slot = (OpenPart){ .file = file, .fd = fd };
        return fd;
}

static void close_part(ContentFetch *f, uint32_t file) {
        for (size_t i = 0; i < MIN(f->n_open, (size_t) PARTS_OPEN); i++)
                if (f->open[i].fd >= 0 && f->open[i].file == file)
                        f->open[i].fd = safe_close(f->open[i].fd);
}

static int progress(ContentFetch *f) {
        int r = f->t->progress(f->done, f->total, f->t->userdata);

        /* What is on its way is taken in. */
        f->stopped = f->stopped || r == -ECANCELED;
        return r == -ECANCELED ? 0 : r;
}

/* An item is in its place. */
static int item_arrived(ContentFetch *f, size_t i) {
        const WantedItem *item = f->items + i;
        WantedFile *file = f->files + item->file;
        int r;

        f->arrived[i] = true;
        f->done += item->length;
        if (--file->n_items > 0 || !file->complete)
                return progress(f);
        r = content_part_complete(&f->t->area, &file->file);
        close_part(f, item->file);
        return r < 0 ? r : progress(f);
}

/* True if the blob is the file: then it is what the file is, whatever size is expected. */
static bool is_file(const ContentFetch *f, size_t i) {
        return sync_oid_equal(&f->items[i].blob, &f->files[f->items[i].file].file);
}

/* A chunk has not the length that its name says: no file can be made of it. The others go on. */
static int item_malformed(ContentFetch *f, size_t i) {
        WantedFile *file = f->files + f->items[i].file;

        file->complete = false;
        close_part(f, f->items[i].file);
        if (f->proven)
                content_mark_malformed(&f->t->area, &file->file);
        return item_arrived(f, i);
}

static int place(ContentFetch *f, size_t i, const void *data, size_t size) {
        const WantedItem *item = f->items + i;
        uint64_t file_size = f->files[item->file].size;
        bool whole = is_file(f, i) || (item->offset == 0 && size == file_size);
        int fd, r;

        if (!is_file(f, i) && item->length != size)
                return item_malformed(f, i);
        if (!whole && file_size != SYNC_SIZE_UNKNOWN && (item->offset > file_size || size > file_size - item->offset))
                return -EBADMSG;
        /* What is written at once needs no place beforehand. */
        if (whole && !content_has_space(&f->t->area, size))
                return -ENOSPC;
        fd = part_fd(f, item->file, whole ? SYNC_SIZE_UNKNOWN : file_size);
        if (fd < 0)
                return fd;
        r = transfer_part_write(&f->t->area, &f->files[item->file].file, fd, data, size, item->offset);
        return r < 0 ? r : item_arrived(f, i);
}

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        ContentFetch *f = userdata;
        uint32_t i;

        /* Nothing else was asked for. */
        if (type != GIT_OBJECT_BLOB || !object_map_find(&f->blobs, id, &i) || f->arrived[i])
                return -EBADMSG;
        for (; i < f->n_items; i = f->next[i]) {
                int r = place(f, i, data, size);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A plain file of more than a MiB, which no gateway writes, but others may: it gets its name when it has
 * come. */
static int large_begin(uint64_t size, int *ret_fd, void *userdata) {
        ContentFetch *f = userdata;

        if (!content_has_space(&f->t->area, size))
                return -ENOSPC;
        f->large_fd = safe_close(f->large_fd);
        f->large_fd = openat(f->t->area.content_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (f->large_fd < 0)
                return -errno;
        *ret_fd = f->large_fd;
        return 0;
}

static int large_end(const git_oid *id, uint64_t size, void *userdata) {
        ContentFetch *f = userdata;
        char path[sizeof("/proc/self/fd/") + 11], name[GIT_OID_HEXSZ + 1];
        bool wanted = false;
        uint32_t i;

        if (!object_map_find(&f->blobs, id, &i) || f->arrived[i])
                return -EBADMSG;
        for (; i < f->n_items; i = f->next[i]) {
                int r = 0;

                if (is_file(f, i)) {
                        wanted = f->arrived[i] = true;
                        f->done += f->items[i].length;
                } else
                        r = item_malformed(f, i);
                if (r < 0)
                        return r;
        }
        if (!wanted) {
                f->large_fd = safe_close(f->large_fd);
                return progress(f);
        }
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", f->large_fd);
        if (linkat(AT_FDCWD,
                   path,
                   f->t->area.content_fd,
                   git_oid_tostr(name, sizeof(name), id),
                   AT_SYMLINK_FOLLOW) < 0 &&
            errno != EEXIST)
                return -errno;
        f->large_fd = safe_close(f->large_fd);
        return progress(f);
}

/* The next blobs to be asked for, in the order in which they are wanted. Returns their number. */
static size_t next_wants(const ContentFetch *f, size_t *at, git_oid wants[static UPLOAD_PACK_WANTS_MAX]) {
        uint64_t bytes = 0;
        size_t n = 0;

        for (; *at < f->n_items && n < UPLOAD_PACK_WANTS_MAX && bytes < f->request_bytes; (*at)++) {
                git_oid id;
                uint32_t first;

                git_store_oid_from_sync(&id, &f->items[*at].blob);
                if (f->arrived[*at] || !object_map_find(&f->blobs, &id, &first) || first != *at)
                        continue;
                wants[n++] = id;
                bytes += f->items[*at].length;
        }
        return n;
}

/* An answer is complete: the next request asks for more if it came fast. */
static void adapt(ContentFetch *f) {
        uint64_t now = rate_clock_monotonic.now(NULL);

        if (now - f->answered < REQUEST_USEC / 2)
                f->request_bytes = MIN(f->request_bytes * 2, REQUEST_MAX);
        else if (now - f->answered > REQUEST_USEC * 2)
                f->request_bytes = MAX(f->request_bytes / 2, REQUEST_MIN);
        f->answered = now;
}

/* Asks for all that has not arrived. */
static int fetch_round(ContentFetch *f, PktStream *s) {
        PackConsumer consumer = {
                .object = take_object,
                .large_begin = large_begin,
                .large_end = large_end,
                .userdata = f,
                .blob_max = FORMAT_PLAIN_MAX,
                .other_max = FORMAT_PLAIN_MAX,
                /* What was wanted, perhaps as deltas, may have its place already; all else must find one. */
                .total_max = 2 * f->total + content_space(&f->t->area),
        };
        size_t at = 0, open = 0;

        f->answered = rate_clock_monotonic.now(NULL);
        for (;;) {
                git_oid wants[UPLOAD_PACK_WANTS_MAX], none;
                PackSummary summary;
                size_t n;
                int r;

                while (!f->stopped && open < UPLOAD_PACK_REQUESTS_MAX &&
                       (n = next_wants(f, &at, wants)) > 0) {
                        r = upload_pack_request(s, &(UploadPackRequest){ .wants = wants, .n_wants = n });
                        if (r < 0)
                                return r;
                        open++;
                }
                if (open == 0)
                        return 0;
                r = upload_pack_receive(s, NULL, &none, &consumer, &summary, &f->t->link.text);
                if (r < 0)
                        return r;
                open--;
                adapt(f);
        }
}

static size_t count_missing(const ContentFetch *f) {
        size_t n = 0;

        for (size_t i = 0; i < f->n_items; i++)
                n += !f->arrived[i];
        return n;
}

/* A delta whose base was not kept is lost, and asked for again. */
static int fetch_all(ContentFetch *f, PktStream *s) {
        size_t missing = count_missing(f), before;

        for (unsigned round = 0; missing > 0; round++) {
                int r = fetch_round(f, s);

                if (r < 0 || f->stopped)
                        return r;
                before = missing;
                missing = count_missing(f);
                if (missing == before || round == ROUNDS_MAX)
                        return -EBADMSG;
        }
        return 0;
}

/* Files of which everything is there already. */
static int complete_others(ContentFetch *f, const Wanted *w) {
        for (size_t i = 0; i < w->n_files; i++) {
                const WantedFile *file = w->files + i;
                int r;

                if (file->n_items > 0 || !file->complete)
                        continue;
                r = content_part_complete(&f->t->area, &file->file);
                if (r < 0)
                        return r;
        }
        return 0;
}

TransferResult transfer_content(Transfer *t, const Wanted *wanted) {
        _cleanup_(fetch_done) ContentFetch f;
        TransferResult result;
        PktStream *s;
        int r;

        r = fetch_init(&f, t, wanted);
        if (r >= 0)
                r = complete_others(&f, wanted);
        if (r < 0)
                return transfer_link_failure(&t->link, NULL, r);
        if (wanted->n_items == 0)
                return TRANSFER_OK;
        r = progress(&f);
        if (r < 0)
                return transfer_link_failure(&t->link, NULL, r);
        for (bool fresh = false;; fresh = true) {
                result = transfer_link_upload(&t->link, fresh, &s);
                if (result != TRANSFER_OK)
                        return result;
                r = fetch_all(&f, s);
                if (r >= 0)
                        return TRANSFER_OK;
                if (!transfer_link_upload_died(&t->link, r))
                        return transfer_link_upload_failed(&t->link, r);
        }
}
