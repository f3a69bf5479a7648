/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/transfer-worker/http-transfer.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "agent/core/cwmp-message.h"
#include "common/base/file.h"
#include "common/base/str.h"

#define VALIDATOR_MAX 256U

typedef struct Transport {
        const TransferOrder *order;
        CURL *curl;
        int fd;
        uint64_t size;       /* bytes of a download that are here */
        bool answered;       /* the present answer's body has begun */
        char *validator;     /* entity tag or date of what is here */
        char *new_validator; /* of the present answer */
        uint32_t fault;      /* found while the body came */
        const char *text;
        char error[CURL_ERROR_SIZE];
} Transport;

static size_t refuse(Transport *t, uint32_t fault, const char *text) {
        t->fault = fault;
        t->text = text;
        return 0;
}

static char *validator_path(const Transport *t) {
        return strfmt("%s.validator", t->order->path);
}

/* What comes now replaces what is here, unless the server goes on where the last part ended. */
static int begin_body(Transport *t) {
        long status = 0;

        t->answered = true;
        (void) curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status == 206 && t->size > 0)
                return 0;

        _cleanup_free_ char *path = validator_path(t);
        if (!path)
                return -ENOMEM;
        (void) unlink(path);
        if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
                return -errno;
        t->size = 0;
        free(t->validator);
        t->validator = TAKE_PTR(t->new_validator);
        return t->validator ? write_file_atomic(AT_FDCWD, path, t->validator, strlen(t->validator), 0600) : 0;
}

static bool disk_is_full(const Transport *t, size_t n) {
        struct statvfs st;

        return fstatvfs(t->fd, &st) >= 0 && (uint64_t) st.f_bavail * st.f_frsize < t->order->disk_floor + n;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata) {
        Transport *t = userdata;
        size_t n = size * count;

        if (!t->answered && begin_body(t) < 0)
                return refuse(t, FAULT_TRANSFER_FAILURE, "Cannot keep the file");
        if (n > t->order->max_size - MIN(t->size, t->order->max_size))
                return refuse(t, FAULT_TRANSFER_FAILURE, "The file is larger than this device takes");
        if (t->order->file_size > 0 && t->size + n > t->order->file_size)
                return refuse(t, FAULT_FILE_CORRUPTED, "The file is larger than the ACS said");
        if (disk_is_full(t, n))
                return refuse(t, FAULT_TRANSFER_FAILURE, "Not enough free space for the file");
        if (loop_write(t->fd, data, n) < 0)
                return refuse(t, FAULT_TRANSFER_FAILURE, "Cannot write the file");
        t->size += n;
        return n;
}

/* A strong entity tag, or else the date, tells whether the rest belongs to the part that is here. */
static size_t on_header(char *data, size_t size, size_t count, void *userdata) {
        Transport *t = userdata;
        size_t n = size * count, name = 0;
        bool date = false;

        if (n > 5 && strncasecmp(data, "HTTP/", 5) == 0) {
                t->new_validator = mfree(t->new_validator);
                t->answered = false;
        } else if (n > 5 && strncasecmp(data, "ETag:", 5) == 0)
                name = 5;
        else if (n > 14 && strncasecmp(data, "Last-Modified:", 14) == 0) {
                name = 14;
                date = true;
        }
        if (name == 0 || (date && t->new_validator))
                return n;

        while (name < n && data[name] == ' ')
                name++;
        size_t end = n;
        while (end > name && (unsigned char) data[end - 1] <= ' ')
                end--;
        if (end == name || end - name > VALIDATOR_MAX || strncmp(data + name, "W/", 2) == 0)
                return n;
        free(t->new_validator);
        t->new_validator = strndup(data + name, end - name);
        return n;
}

static int open_file(Transport *t) {
        _cleanup_free_ char *path = validator_path(t);
        struct stat st;

        if (!path)
                return -ENOMEM;
        t->fd = open(t->order->path, (t->order->upload ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (t->fd < 0 || fstat(t->fd, &st) < 0)
                return -errno;
        t->size = (uint64_t) st.st_size;
        if (t->order->upload)
                return 0;

        if (read_file(AT_FDCWD, path, VALIDATOR_MAX, &t->validator, NULL) < 0)
                t->size = 0;
        return lseek(t->fd, (off_t) t->size, SEEK_SET) < 0 ? -errno : 0;
}

static void set_options(Transport *t) {
        CURL *c = t->curl;
        const TransferOrder *o = t->order;

        (void) curl_easy_setopt(c, CURLOPT_URL, o->url);
        (void) curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, startswith(o->url, "https:") ? "https" : "http,https");
        (void) curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        (void) curl_easy_setopt(c, CURLOPT_MAXREDIRS, HTTP_TRANSFER_REDIRECTS_MAX);
        (void) curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
        (void) curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, HTTP_TRANSFER_CONNECT_TIMEOUT);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, HTTP_TRANSFER_STALL_TIMEOUT);
        (void) curl_easy_setopt(c, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        (void) curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
        (void) curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_PROXY, "");
        if (!isempty(o->trusted_certificates)) {
                (void) curl_easy_setopt(c, CURLOPT_CAINFO, o->trusted_certificates);
                /* Or libcurl takes those of the system for as good. */
                (void) curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
        }
        if (!isempty(o->username)) {
                /* The server chooses; what it does not ask for is not sent. */
                (void) curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long) (CURLAUTH_BASIC | CURLAUTH_DIGEST));
                (void) curl_easy_setopt(c, CURLOPT_USERNAME, o->username);
                (void) curl_easy_setopt(c, CURLOPT_PASSWORD, strempty(o->password));
        }
}

static size_t discard(char *data, size_t size, size_t count, void *userdata) {
        return size * count;
}

static size_t on_read(char *data, size_t size, size_t count, void *userdata) {
        Transport *t = userdata;
        ssize_t n = read(t->fd, data, size * count);
        return n < 0 ? CURL_READFUNC_ABORT : (size_t) n;
}

/* After a challenge the file is sent from its beginning. */
static int on_seek(void *userdata, curl_off_t offset, int origin) {
        Transport *t = userdata;
        return lseek(t->fd, offset, origin) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

static CURLcode upload_once(Transport *t) {
        if (lseek(t->fd, 0, SEEK_SET) < 0)
                return CURLE_READ_ERROR;
        (void) curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
        (void) curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) t->size);
        (void) curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_read);
        (void) curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
        (void) curl_easy_setopt(t->curl, CURLOPT_SEEKFUNCTION, on_seek);
        (void) curl_easy_setopt(t->curl, CURLOPT_SEEKDATA, t);
        (void) curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, discard);
        return curl_easy_perform(t->curl);
}

static CURLcode download_once(Transport *t) {
        struct curl_slist *headers = NULL;

        t->answered = false;
        if (t->size > 0 && t->validator) {
                _cleanup_free_ char *range = strfmt("Range: bytes=%llu-", (unsigned long long) t->size);
                _cleanup_free_ char *if_range = strfmt("If-Range: %s", t->validator);
                if (!range || !if_range)
                        return CURLE_OUT_OF_MEMORY;
                headers = curl_slist_append(curl_slist_append(NULL, range), if_range);
        }
        (void) curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
        CURLcode code = curl_easy_perform(t->curl);
        curl_slist_free_all(headers);

        /* An empty file has no body that could begin. */
        if (code == CURLE_OK && !t->answered && begin_body(t) < 0)
                (void) refuse(t, FAULT_TRANSFER_FAILURE, "Cannot keep the file");
        return code;
}

/* True if another try may end otherwise. */
static bool is_passing(CURLcode code, long status) {
        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
        case CURLE_OPERATION_TIMEDOUT:
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
                return true;
        case CURLE_HTTP_RETURNED_ERROR:
                /* 416: what is here is not a part of the file any more. */
                return status == 416 || status == 429 || status == 502 || status == 503 || status == 504;
        default:
                return false;
        }
}

static uint32_t fault_of(const Transport *t, CURLcode code, long status) {
        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
        case CURLE_SSL_CONNECT_ERROR:
                return FAULT_CANNOT_CONTACT_SERVER;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
                return FAULT_SERVER_AUTHENTICATION;
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_TOO_MANY_REDIRECTS:
                return FAULT_CANNOT_ACCESS_FILE;
        case CURLE_HTTP_RETURNED_ERROR:
                if (status == 401 || status == 403 || status == 407)
                        return FAULT_SERVER_AUTHENTICATION;
                return t->order->upload ? FAULT_UPLOAD_FAILURE : FAULT_CANNOT_ACCESS_FILE;
        default:
                return t->order->upload ? FAULT_UPLOAD_FAILURE : FAULT_CANNOT_COMPLETE_DOWNLOAD;
        }
}

static void set_result(TransferResult *ret, uint32_t fault, const char *text) {
        ret->fault_code = fault;
        (void) free_and_strdup(&ret->text, text);
}

static void perform(Transport *t, TransferResult *ret) {
        unsigned pause = 1;

        for (unsigned tries = 1;; tries++) {
                long status = 0;

                t->error[0] = 0;
                CURLcode code = t->order->upload ? upload_once(t) : download_once(t);
                (void) curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
                if (t->fault != 0) {
                        set_result(ret, t->fault, t->text);
                        return;
                }
                if (code == CURLE_OK)
                        return;
                if (!is_passing(code, status) || tries == HTTP_TRANSFER_TRIES_MAX) {
                        set_result(ret, fault_of(t, code, status), t->error[0] ? t->error : curl_easy_strerror(code));
                        return;
                }
                if (status == 416)
                        t->size = 0;
                (void) sleep(pause);
                pause *= 2;
        }
}

static void transfer(Transport *t, TransferResult *ret) {
        if (open_file(t) < 0) {
                set_result(ret, FAULT_TRANSFER_FAILURE, "Cannot open the file");
                return;
        }
        set_options(t);
        perform(t, ret);
        if (ret->fault_code != 0 || t->order->upload)
                return;

        if (t->order->file_size > 0 && t->size != t->order->file_size)
                set_result(ret, FAULT_FILE_CORRUPTED, "The file is smaller than the ACS said");
        else if (fsync(t->fd) < 0)
                set_result(ret, FAULT_TRANSFER_FAILURE, "Cannot write the file");
}

void http_transfer(const TransferOrder *order, TransferResult *ret) {
        Transport t = { .order = order, .fd = -EBADF };

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(t.curl = curl_easy_init())) {
                set_result(ret, FAULT_TRANSFER_FAILURE, "Out of memory");
                return;
        }
        transfer(&t, ret);
        curl_easy_cleanup(t.curl);
        curl_global_cleanup();
        safe_close(t.fd);
        free(t.validator);
        free(t.new_validator);
}
