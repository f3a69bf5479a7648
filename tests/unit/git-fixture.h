/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store in a directory of its own, and a bare repository of the real git beside it. Every failure fails
 * the test. */
#pragma once

#include "syncd/git-store.h"

typedef struct GitFixture {
        char *directory;
        char *objects;
        char *repository;
        GitStore *store;
} GitFixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(GitFixture *f);

/* Runs git in the bare repository; returns what it prints. The command is a constant of the test. */
char *fixture_run(GitFixture *f, const char *arguments);
/* Gives the objects that the commit or tree reaches to git, as far as the store has them. */
void fixture_export(GitFixture *f, const git_oid *id);

/* A commit of a tree that git mktree makes of the lines, which printf(1) expands. */
void fixture_foreign_commit(GitFixture *f, const char *lines, git_oid *ret);

/* Adds an entry; of a file or link with content, which goes to the store; of a directory with NULL. */
void fixture_add(
                GitFixture *f,
                SyncTree *t,
                const char *path,
                SyncKind kind,
                bool executable,
                const char *content);
/* The same, of a file of n chunks, which are derived from the seed and not in the store. Returns its size. */
uint64_t fixture_add_chunked(
                GitFixture *f, SyncTree *t, const char *path, bool executable, unsigned n, unsigned seed);

/* Commits the changes to the parent (NULL: to nothing). */
void fixture_commit_changes(
                GitFixture *f,
                const git_oid *parent,
                const SyncTree *changes,
                int64_t time,
                const char *author,
                git_oid *ret);
void fixture_commit_tree(
                GitFixture *f, const git_oid *parent, const git_oid *tree, int64_t time, git_oid *ret);

/* All fields that a commit can have are the same. */
void assert_same_tree(const SyncTree *a, const SyncTree *b);

SyncTree *fixture_new_tree(void);
SyncTree *fixture_read_tree(GitFixture *f, const git_oid *commit);
