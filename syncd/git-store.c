/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libgit2 on the log: it hashes, and parses commits. */
#include <git2/sys/odb_backend.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-store-internal.h"

static_assert(GIT_STORE_OBJECT_MAX == OBJECT_LOG_OBJECT_MAX, "one limit");
static_assert((int) OBJECT_COMMIT == GIT_OBJECT_COMMIT && (int) OBJECT_TREE == GIT_OBJECT_TREE &&
                              (int) OBJECT_BLOB == GIT_OBJECT_BLOB,
              "the log has git's numbers");

typedef struct LogBackend {
        git_odb_backend backend;
        ObjectLog *log;
} LogBackend;

static int to_git_error(int r) {
        return r == -ENOENT ? GIT_ENOTFOUND : r < 0 ? GIT_ERROR : 0;
}

static int backend_read(
                void **ret,
                size_t *ret_size,
                git_object_t *ret_type,
                git_odb_backend *b,
                const git_oid *id) {
        LogBackend *backend = (LogBackend *) b;
        _cleanup_free_ void *data = NULL;
        ObjectType type;
        size_t size;
        void *copy;
        int r;

        r = object_log_read(backend->log, (const SyncOid *) id->id, &type, &data, &size);
        if (r < 0)
                return to_git_error(r);
        copy = git_odb_backend_data_alloc(b, size + 1);
        if (!copy)
                return GIT_ERROR;
        memcpy(copy, data, size + 1);
        *ret = copy;
        *ret_size = size;
        *ret_type = (git_object_t) type;
        return 0;
}

static int backend_read_header(
                size_t *ret_size, git_object_t *ret_type, git_odb_backend *b, const git_oid *id) {
        LogBackend *backend = (LogBackend *) b;
        ObjectType type;
        int r;

        if (!object_log_has(backend->log, (const SyncOid *) id->id))
                return GIT_ENOTFOUND;
        r = object_log_stat(backend->log, (const SyncOid *) id->id, &type, ret_size);
        *ret_type = (git_object_t) type;
        return to_git_error(r);
}

static int backend_write(
                git_odb_backend *b, const git_oid *id, const void *data, size_t size, git_object_t type) {
        LogBackend *backend = (LogBackend *) b;

        return to_git_error(object_log_add(
                        backend->log, (const SyncOid *) id->id, (ObjectType) type, data, size, NULL));
}

static int backend_exists(git_odb_backend *b, const git_oid *id) {
        LogBackend *backend = (LogBackend *) b;

        return object_log_has(backend->log, (const SyncOid *) id->id);
}

static void backend_free(git_odb_backend *b) {
        free(b);
}

static int add_backend(GitStore *store) {
        LogBackend *b = calloc(1, sizeof(*b));

        if (!b)
                return -ENOMEM;
        b->backend = (git_odb_backend){
                .version = GIT_ODB_BACKEND_VERSION,
                .read = backend_read,
                .read_header = backend_read_header,
                .write = backend_write,
                .exists = backend_exists,
                .free = backend_free,
        };
        b->log = store->log;
        if (git_odb_add_backend(store->odb, &b->backend, 1) < 0) {
                free(b);
                return -ENOMEM;
        }
        return 0;
}

int git_store_open(GitStore **ret, const char *directory) {
        _cleanup_(git_store_freep) GitStore *store = calloc(1, sizeof(*store));
        int r;

        if (!store)
                return -ENOMEM;
        /* Balanced in git_store_free(). */
        if (git_libgit2_init() < 0)
                return -ENOMEM;
        /* A commit may name blobs that only the folder has; records have a checksum of their own; and what
         * is read again is read from the page cache. */
        (void) git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
        (void) git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
        (void) git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);

        r = object_log_open(&store->log, directory);
        if (r < 0)
                return r;
        if (git_odb_new(&store->odb) < 0)
                return -ENOMEM;
        r = add_backend(store);
        if (r < 0)
                return r;
        if (git_repository_wrap_odb(&store->repository, store->odb) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(store);
        return 0;
}

GitStore *git_store_free(GitStore *store) {
        if (!store)
                return NULL;
        git_repository_free(store->repository);
        git_odb_free(store->odb);
        object_log_free(store->log);
        free(store->malformed);
        git_store_forget_metadata(store);
        (void) git_libgit2_shutdown();
        free(store);
        return NULL;
}

git_repository *git_store_repository(GitStore *store) {
        return store->repository;
}

int git_store_read(
                GitStore *store,
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size) {
        _cleanup_free_ void *data = NULL;
        ObjectType type;
        size_t size;
        int r;

        r = object_log_read(store->log, (const SyncOid *) id->id, &type, &data, &size);
        if (r < 0)
                return r;
        if (ret_type)
                *ret_type = (git_object_t) type;
        if (ret_size)
                *ret_size = size;
        if (ret_data)
                *ret_data = TAKE_PTR(data);
        return 0;
}

int git_store_read_typed(
                GitStore *store, const git_oid *id, git_object_t type, char **ret, size_t *ret_size) {
        _cleanup_free_ void *data = NULL;
        git_object_t found;
        size_t size;
        int r;

        r = git_store_read(store, id, &found, &data, &size);
        if (r < 0)
                return r;
        if (found != type)
                return -EBADMSG;
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int git_store_open_tree(GitStore *store, const git_oid *id, char **ret_data, GitTreeReader *ret) {
        size_t size;
        int r;

        *ret = (GitTreeReader) {};
        if (git_oid_is_zero(id))
                return 0;
        r = git_store_read_typed(store, id, GIT_OBJECT_TREE, ret_data, &size);
        if (r >= 0)
                git_tree_reader_init(ret, *ret_data, size);
        return r;
}

int git_hash_bytes(git_object_t type, const void *data, size_t size, SyncOid *ret) {
        git_oid id;

        if (git_odb_hash(&id, data, size, type) < 0)
                return -EIO;
        git_store_oid_to_sync(ret, &id);
        return 0;
}

static int add_object(
                GitStore *store,
                git_object_t type,
                const void *data,
                size_t size,
                const git_oid *id,
                const git_oid *similar) {

        return object_log_add(
                        store->log,
                        (const SyncOid *) id->id,
                        (ObjectType) type,
                        data,
                        size,
                        similar && !git_oid_is_zero(similar) ? (const SyncOid *) similar->id : NULL);
}

int git_store_write_similar(
                GitStore *store,
                git_object_t type,
                const void *data,
                size_t size,
                const git_oid *similar,
                git_oid *ret) {

        SyncOid oid;
        git_oid id;
        int r;

        if (size > GIT_STORE_OBJECT_MAX)
                return -E2BIG;
        r = git_hash_bytes(type, data, size, &oid);
        if (r < 0)
                return r;
        git_store_oid_from_sync(&id, &oid);
        r = add_object(store, type, data, size, &id, similar);
        if (r >= 0 && ret)
                *ret = id;
        return r;
}

int git_store_write(GitStore *store, git_object_t type, const void *data, size_t size, git_oid *ret) {
        return git_store_write_similar(store, type, data, size, NULL, ret);
}

int git_store_write_named(
                GitStore *store, git_object_t type, const void *data, size_t size, const git_oid *id) {

        return add_object(store, type, data, size, id, NULL);
}

bool git_store_has(GitStore *store, const git_oid *id) {
        return object_log_has(store->log, (const SyncOid *) id->id);
}

int git_store_get_reference(GitStore *store, const char *name, git_oid *ret) {
        SyncOid oid;
        int r;

        r = object_log_get_reference(store->log, name, &oid);
        if (r < 0)
                return r;
        git_store_oid_from_sync(ret, &oid);
        return 0;
}

int git_store_set_reference(GitStore *store, const char *name, const git_oid *id) {
        return object_log_set_reference(store->log, name, (const SyncOid *) id->id);
}

int git_store_publish(GitStore *store) {
        return object_log_publish(store->log);
}

bool git_store_adopt(GitStore *store) {
        return object_log_adopt(store->log);
}

int git_store_sync(GitStore *store) {
        return object_log_sync(store->log);
}
