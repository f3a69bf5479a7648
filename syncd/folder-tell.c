/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of a run, in words for a household and its operator. */
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "syncd/folder-internal.h"

static void complain(FolderResult *result, SyncWord word, const char *what, const char *path) {
        if (result->outcome.word != SYNC_WORD_NONE && !result->minor)
                return;
        result->minor = false;
        result->outcome.word = word;
        (void) snprintf(result->text, sizeof(result->text), "%s: %.150s", what, path);
}

/* The same of what keeps main from the folder, or (no_push) the folder from main. */
static void bar(FolderResult *result, SyncWord *barred, SyncWord word, const char *what, const char *path) {
        if (*barred == SYNC_WORD_NONE)
                *barred = word;
        complain(result, word, what, path);
}

/* Why something has to wait, though nothing is wrong. */
static void note(FolderResult *result, const char *what, const char *path) {
        if (result->outcome.word == SYNC_WORD_NONE && !result->text[0])
                (void) snprintf(result->text, sizeof(result->text), "%s: %.150s", what, path);
}

static const char *text_of_problem(int error) {
        if (error == SYNC_PROBLEM_KIND)
                return "not synchronized, as it is a pipe, socket or device";
        switch (-error) {
        case ENAMETOOLONG:
                return "too deep, or too long a path, in";
        case EACCES:
        case EPERM:
                return "no permission to read";
        default:
                return strerror(-error);
        }
}

void folder_tell_scan(const SyncScanReport *report, FolderResult *result) {
        if (report->n_busy + report->n_racy > 0)
                result->outcome.again = true;
        if (report->busy_path)
                note(result, "in use", report->busy_path);
        if (!report->problem_path)
                return;
        complain(result, SYNC_WORD_BAD_ENTRY, text_of_problem(report->problem_error), report->problem_path);
        /* What it is does not change by itself, and would keep all else from being told for ever. */
        if (sync_problem_is_lasting(report->problem_error))
                result->minor = true;
        else
                result->outcome.no_push = SYNC_WORD_BAD_ENTRY;
        result->outcome.again |= report->problem_error != SYNC_PROBLEM_KIND;
}

static void complain_of_failure(FolderResult *result, const SyncApplyFailure *failure) {
        char what[64];

        if (failure->error == -ENAMETOOLONG)
                strcpy(what, "too long a name for this disk");
        else if (failure->result == SYNC_APPLY_UNSUPPORTED)
                (void) snprintf(what, sizeof(what), "this disk cannot have it (%s)", strerror(-failure->error));
        else
                (void) snprintf(what, sizeof(what), "cannot be put in place (%s)", strerror(-failure->error));
        bar(result, &result->outcome.no_pull, SYNC_WORD_BAD_ENTRY, what, failure->path);
}

void folder_tell_failures(Folder *f, const SyncApplyReport *report, FolderResult *result) {
        f->distrust = false;
        for (size_t i = 0; i < report->n_failures; i++) {
                const SyncApplyFailure *failure = &report->failures[i];

                result->outcome.again = true;
                switch (failure->result) {
                case SYNC_APPLY_NO_SPACE:
                        bar(result, &result->outcome.no_pull, SYNC_WORD_DISK_FULL, "no space for", failure->path);
                        break;
                case SYNC_APPLY_NO_CONTENT:
                        f->distrust = true;
                        result->outcome.replan = true;
                        break;
                case SYNC_APPLY_UNSUPPORTED:
                case SYNC_APPLY_FAILED:
                        complain_of_failure(result, failure);
                        break;
                case SYNC_APPLY_STALE:
                        result->outcome.replan = true;
                        break;
                case SYNC_APPLY_BUSY:
                        note(result, "in use", failure->path);
                        break;
                case SYNC_APPLY_NOT_EMPTY:
                        note(result, "deleted elsewhere, but something is left in it", failure->path);
                        break;
                case SYNC_APPLY_DONE:
                case _SYNC_APPLY_RESULT_MAX:
                default:
                        break;
                }
        }
}

/* The folder has something there that nothing can be said of, and the scan has told why. */
static bool is_barred(const SyncEntry *local) {
        return local && local->certainty == SYNC_UNKNOWN && !sync_entry_is_unread(local);
}

void folder_tell_unplaced(const Folder *f, FolderResult *result) {
        SyncWalk walk = { .trees = { f->held }, .leaves = { true } };
        const SyncEntry *entries[SYNC_WALK_MAX];
        const char *path;

        while ((path = sync_walk_next(&walk, entries))) {
                const SyncEntry *local = sync_tree_find_local(f->index, path);

                if (is_barred(local)) {
                        if (result->outcome.no_pull == SYNC_WORD_NONE)
                                result->outcome.no_pull = SYNC_WORD_BAD_ENTRY;
                } else if (result->outcome.missing)
                        /* What else keeps main's version out has been told. */
                        continue;
                else if (local && sync_entry_is_unread(local))
                        note(result, "still to be read", path);
                else if (!result->outcome.rest)
                        note(result, "in use", path);
        }
}

void folder_tell_refused(const FolderRequest *request, FolderResult *result) {
        if (request->n_refused > 0)
                bar(result,
                    &result->outcome.no_push,
                    SYNC_WORD_BAD_ENTRY,
                    "cannot be pushed",
                    request->refused[0].path);
}

void folder_tell_lack(const FolderLack *lack, FolderResult *result) {
        result->outcome.bytes_missing = lack->bytes;
        result->outcome.missing = lack->bytes > 0;
        if (lack->no_space)
                bar(result, &result->outcome.no_pull, SYNC_WORD_DISK_FULL, "no space for", lack->no_space);
        if (lack->malformed)
                bar(result, &result->outcome.no_pull, SYNC_WORD_BAD_ENTRY, "malformed on main", lack->malformed[0]);
}

void folder_tell_malformed(Folder *f, FolderResult *result) {
        _cleanup_free_ char *path = git_store_take_malformed(f->store);

        if (!path)
                return;
        log_warning("The metadata of the directory \"%s\" on main are malformed, and left out.", path);
        complain(result, SYNC_WORD_BAD_ENTRY, "malformed metadata on main, in", *path ? path : "the folder");
}

void folder_tell_loss(FolderResult *result) {
        if (result->outcome.word != SYNC_WORD_NONE && !result->minor)
                return;
        result->outcome.word = SYNC_WORD_STATE_LOST;
        strcpy(result->text, "it is made anew from the folder and main, and nothing is deleted");
}
