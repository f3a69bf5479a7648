/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <git2.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/git-store.h"

/* Enough for the trees of a run; the default of 256 MB is half of a gateway. */
#define OBJECT_CACHE_BYTES (8 * 1024 * 1024)

#define READ_SIZE (128U * 1024U)

struct GitStore {
        git_repository *repository;
        git_odb *odb;
};

static int git_error_to_errno(int error) {
        switch (error) {
        case GIT_ENOTFOUND:
                return -ENOENT;
        case GIT_EOWNER:
                return -EPERM;
        case GIT_EINVALIDSPEC:
                return -EINVAL;
        default:
                return error < 0 ? -EIO : 0;
        }
}

static void config_freep(git_config **c) {
        git_config_free(*c);
}

static void reference_freep(git_reference **r) {
        git_reference_free(*r);
}

static void odb_stream_freep(git_odb_stream **s) {
        git_odb_stream_free(*s);
}

static void odb_object_freep(git_odb_object **o) {
        git_odb_object_free(*o);
}

static void md_ctx_freep(EVP_MD_CTX **c) {
        EVP_MD_CTX_free(*c);
}

static int create(git_repository **ret, const char *directory) {
        git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
        _cleanup_(config_freep) git_config *config = NULL;
        git_repository *repository;
        int r;

        options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
        options.initial_head = "main";
        r = git_repository_init_ext(&repository, directory, &options);
        if (r < 0)
                return git_error_to_errno(r);
        /* libgit2 takes this also for the size above which it looks for no deltas: without it a push of
         * large, already compressed files takes ten times as long. */
        if (git_repository_config(&config, repository) < 0 ||
            git_config_set_int64(config, "pack.deltaCacheSize", 1024 * 1024) < 0) {
                git_repository_free(repository);
                return -EIO;
        }
        *ret = repository;
        return 0;
}

int git_store_open(GitStore **ret, const char *directory) {
        _cleanup_(git_store_freep) GitStore *store = NULL;
        int r;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;
        /* Balanced in git_store_free(). */
        if (git_libgit2_init() < 0)
                return -ENOMEM;
        (void) git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
        (void) git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t) OBJECT_CACHE_BYTES);
        /* A commit may name blobs that only the folder has. */
        (void) git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);

        r = git_repository_open_bare(&store->repository, directory);
        if (r == GIT_ENOTFOUND)
                r = create(&store->repository, directory);
        else
                r = git_error_to_errno(r);
        if (r < 0)
                return r == -EIO ? -EBADMSG : r;
        if (git_repository_odb(&store->odb, store->repository) < 0)
                return -EBADMSG;
        *ret = TAKE_PTR(store);
        return 0;
}

GitStore *git_store_free(GitStore *store) {
        if (!store)
                return NULL;
        git_odb_free(store->odb);
        git_repository_free(store->repository);
        (void) git_libgit2_shutdown();
        free(store);
        return NULL;
}

git_repository *git_store_repository(GitStore *store) {
        return store->repository;
}

git_odb *git_store_odb(GitStore *store) {
        return store->odb;
}

int git_store_get_reference(GitStore *store, const char *name, git_oid *ret) {
        git_oid id;
        int r;

        r = git_reference_name_to_id(&id, store->repository, name);
        if (r < 0)
                return r == GIT_ENOTFOUND ? -ENOENT : -EBADMSG;
        *ret = id;
        return 0;
}

static int change_reference(GitStore *store, const char *name, const git_oid *id) {
        _cleanup_(reference_freep) git_reference *reference = NULL;
        int r;

        if (git_oid_is_zero(id)) {
                r = git_reference_remove(store->repository, name);
                return r == GIT_ENOTFOUND ? 0 : r;
        }
        return git_reference_create(&reference, store->repository, name, id, true, NULL);
}

int git_store_set_reference(GitStore *store, const char *name, const git_oid *id) {
        _cleanup_free_ char *lock = NULL;
        int r;

        r = change_reference(store, name, id);
        if (r != GIT_ELOCKED)
                return git_error_to_errno(r);
        lock = strfmt("%s%s.lock", git_repository_path(store->repository), name);
        if (!lock)
                return -ENOMEM;
        if (unlink(lock) < 0)
                return -errno;
        return git_error_to_errno(change_reference(store, name, id));
}

void git_store_sweep(GitStore *store) {
        _cleanup_free_ char *path = strfmt("%sobjects/pack", git_repository_path(store->repository));
        _cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (startswith(e->d_name, "pack_git2_"))
                        (void) unlinkat(dirfd(d), e->d_name, 0);
}

/* Starts the digest of a blob: "blob <size>" and a NUL stand before the content. */
static int digest_new(EVP_MD_CTX **ret, uint64_t size) {
        _cleanup_(md_ctx_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
        char header[32];
        int n;

        if (!c)
                return -ENOMEM;
        n = snprintf(header, sizeof(header), "blob %llu", (unsigned long long) size);
        if (EVP_DigestInit_ex(c, EVP_sha1(), NULL) != 1 || EVP_DigestUpdate(c, header, (size_t) n + 1) != 1)
                return -EIO;
        *ret = TAKE_PTR(c);
        return 0;
}

static int digest_file(int fd, uint64_t size, SyncOid *ret) {
        _cleanup_(md_ctx_freep) EVP_MD_CTX *c = NULL;
        _cleanup_free_ uint8_t *buf = malloc(READ_SIZE);
        int r;

        if (!buf)
                return -ENOMEM;
        r = digest_new(&c, size);
        if (r < 0)
                return r;
        for (uint64_t done = 0; done < size;) {
                ssize_t n = pread(fd, buf, MIN((uint64_t) READ_SIZE, size - done), (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EAGAIN;
                if (EVP_DigestUpdate(c, buf, (size_t) n) != 1)
                        return -EIO;
                done += (uint64_t) n;
        }
        return EVP_DigestFinal_ex(c, ret->bytes, NULL) == 1 ? 0 : -EIO;
}

static int store_file(GitStore *store, int fd, uint64_t size, SyncOid *ret) {
        _cleanup_(odb_stream_freep) git_odb_stream *stream = NULL;
        _cleanup_free_ char *buf = malloc(READ_SIZE);
        git_oid id;

        if (!buf)
                return -ENOMEM;
        if (git_odb_open_wstream(&stream, store->odb, size, GIT_OBJECT_BLOB) < 0)
                return errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
        for (uint64_t done = 0; done < size;) {
                ssize_t n = pread(fd, buf, MIN((uint64_t) READ_SIZE, size - done), (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EAGAIN;
                if (git_odb_stream_write(stream, buf, (size_t) n) < 0)
                        return errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
                done += (uint64_t) n;
        }
        if (git_odb_stream_finalize_write(&id, stream) < 0)
                return errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
        memcpy(ret->bytes, id.id, sizeof(ret->bytes));
        return 0;
}

int git_store_hash_file(int fd, bool store, SyncOid *ret, void *userdata) {
        GitStore *s = userdata;
        struct stat st;
        SyncOid oid;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = digest_file(fd, (uint64_t) st.st_size, &oid);
        if (r < 0)
                return r;
        /* If it changed since, what is stored is again one reading, with its own name. */
        if (store && !git_store_has(s, &oid)) {
                r = store_file(s, fd, (uint64_t) st.st_size, &oid);
                if (r < 0)
                        return r;
        }
        *ret = oid;
        return 0;
}

int git_store_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        GitStore *s = userdata;
        git_oid id;
        int r;

        if (store)
                r = git_odb_write(&id, s->odb, data, size, GIT_OBJECT_BLOB);
        else
                r = git_odb_hash(&id, data, size, GIT_OBJECT_BLOB);
        if (r < 0)
                return -EIO;
        memcpy(ret->bytes, id.id, sizeof(ret->bytes));
        return 0;
}

int git_store_read_blob(GitStore *store, const SyncOid *oid, int fd) {
        _cleanup_(odb_object_freep) git_odb_object *object = NULL;
        git_oid id;
        int r;

        git_store_oid_from_sync(&id, oid);
        r = git_odb_read(&object, store->odb, &id);
        if (r < 0)
                return r == GIT_ENOTFOUND ? -ENOENT : -EBADMSG;
        if (git_odb_object_type(object) != GIT_OBJECT_BLOB)
                return -EBADMSG;
        return loop_write(fd, git_odb_object_data(object), git_odb_object_size(object));
}

bool git_store_has(GitStore *store, const SyncOid *oid) {
        git_oid id;

        git_store_oid_from_sync(&id, oid);
        return git_odb_exists(store->odb, &id) == 1;
}
