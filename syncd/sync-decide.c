/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions: the rows of docs/sync-decisions.md, and the rule that what has children is a directory. */
#include "syncd/sync-plan-internal.h"

static SyncDecision decide_unreadable(const SyncEntry *base, const SyncEntry *local, const SyncEntry *remote) {
        /* A file in change counts as changed: what arrives meanwhile is a collision, a deletion loses to it. */
        if (local->certainty == SYNC_BUSY && remote && !sync_entry_equal(base, remote))
                return DECIDE_COLLIDE;
        return DECIDE_POSTPONE;
}

/* Content and executable bit of a file are changed independently; content that differs three ways is a collision. */
static SyncDecision decide_files(const SyncEntry *base, const SyncEntry *local, const SyncEntry *remote,
                                 SyncEntry *ret_merged) {
        bool base_is_file = base && base->kind == SYNC_FILE, executable;
        const SyncEntry *content;

        if (sync_oid_equal(&local->oid, &remote->oid) || (base_is_file && sync_oid_equal(&base->oid, &local->oid)))
                content = remote;
        else if (base_is_file && sync_oid_equal(&base->oid, &remote->oid))
                content = local;
        else
                return DECIDE_COLLIDE;

        if (base_is_file && local->executable != remote->executable)
                executable = !base->executable;
        else
                executable = remote->executable;

        *ret_merged = *content;
        ret_merged->executable = executable;
        if (sync_entry_equal(ret_merged, remote))
                return DECIDE_TAKE_REMOTE;
        if (sync_entry_equal(ret_merged, local))
                return DECIDE_TAKE_LOCAL;
        return DECIDE_MERGE;
}

SyncDecision sync_decide(const SyncEntry *base, const SyncEntry *local, const SyncEntry *remote,
                         SyncEntry *ret_merged) {
        if (local && (local->kind == SYNC_SPECIAL || local->certainty >= SYNC_BUSY))
                return decide_unreadable(base, local, remote);
        if (sync_entry_equal(local, remote))
                return DECIDE_NOTHING;
        if (sync_entry_equal(base, local))
                return DECIDE_TAKE_REMOTE;
        if (sync_entry_equal(base, remote))
                return DECIDE_TAKE_LOCAL;
        /* Both changed. A modification beats a deletion. */
        if (!local)
                return DECIDE_TAKE_REMOTE;
        if (!remote)
                return DECIDE_TAKE_LOCAL;
        if (local->kind == SYNC_FILE && remote->kind == SYNC_FILE)
                return decide_files(base, local, remote, ret_merged);
        return DECIDE_COLLIDE;
}

/* What will be at a step's path afterwards comes from these sides. */
enum {
        FROM_LOCAL = 1 << 0,
        FROM_REMOTE = 1 << 1,
        FROM_UNREADABLE = 1 << 2,
};

static unsigned sources(const SyncStep *s) {
        switch (s->decision) {
        case DECIDE_NOTHING:
                return s->local ? FROM_LOCAL | FROM_REMOTE : 0;
        case DECIDE_TAKE_LOCAL:
                return s->local ? FROM_LOCAL : 0;
        case DECIDE_TAKE_REMOTE:
                return s->remote ? FROM_REMOTE : 0;
        case DECIDE_MERGE:
                return FROM_LOCAL | FROM_REMOTE;
        case DECIDE_COLLIDE:
                return FROM_REMOTE;
        case DECIDE_POSTPONE:
                /* BUSY is a modification by a user; only what cannot be read at all leaves its directory undecided. */
                if (s->local && s->local->certainty == SYNC_BUSY)
                        return FROM_LOCAL;
                return s->local ? FROM_UNREADABLE : 0;
        }
        return 0;
}

static bool is_directory(const SyncEntry *e) {
        return e && e->kind == SYNC_DIRECTORY;
}

/* below: the sources of what will be beneath the path. If it comes from one side, that side has a directory here. */
static SyncDecision decide_directory(const SyncStep *s, unsigned below) {
        if (s->decision == DECIDE_TAKE_LOCAL && !is_directory(s->local) && (below & FROM_REMOTE))
                return s->local ? DECIDE_COLLIDE : DECIDE_TAKE_REMOTE;
        if (s->decision == DECIDE_TAKE_REMOTE && !is_directory(s->remote) && is_directory(s->local)) {
                if (below & FROM_LOCAL)
                        return s->remote ? DECIDE_COLLIDE : DECIDE_TAKE_LOCAL;
                if (below & FROM_UNREADABLE)
                        return DECIDE_POSTPONE;
        }
        return s->decision;
}

/* How many directories, counted from the folder, b is beneath together with a, or a itself. */
static unsigned count_common(const char *a, const char *b) {
        unsigned n = 0;

        for (; *a && *a == *b; a++, b++)
                n += *a == '/';
        return n + (!*a && *b == '/');
}

void sync_steps_resolve(SyncStep *steps, size_t n) {
        /* What is beneath the directories on the way from the folder to the current path, by depth. Backwards, as a
         * directory comes before all that is beneath it. */
        unsigned below[SYNC_DEPTH_MAX + 1] = {}, depth = 0;

        for (size_t i = n; i-- > 0;) {
                /* Not every directory has a step; what was beneath another is of no concern here. */
                for (unsigned common = i + 1 < n ? count_common(steps[i].path, steps[i + 1].path) : 0; depth > common;)
                        below[depth--] = 0;
                depth = 0;
                for (const char *p = steps[i].path; *p; p++)
                        depth += *p == '/';

                steps[i].decision = decide_directory(steps + i, below[depth + 1]);
                below[depth] |= below[depth + 1] | sources(steps + i);
                below[depth + 1] = 0;
        }

        /* What cannot be read keeps what is beneath it from being touched. */
        for (size_t i = 0, j; i < n; i = j)
                for (j = i + 1; steps[i].decision == DECIDE_POSTPONE && j < n; j++) {
                        if (!sync_path_is_below(steps[j].path, steps[i].path))
                                break;
                        steps[j].decision = DECIDE_POSTPONE;
                }
}

bool sync_base_holds(const SyncRow *row, const SyncEntry *placed) {
        SyncEntry merged;

        if (placed || sync_entry_equal(row->base, row->remote) || sync_path_is_ignored(row->path))
                return false;
        switch (sync_decide(row->base, row->local, row->remote, &merged)) {
        case DECIDE_NOTHING:
        case DECIDE_TAKE_LOCAL:
                return false;
        case DECIDE_TAKE_REMOTE:
        case DECIDE_MERGE:
        case DECIDE_COLLIDE:
        case DECIDE_POSTPONE:
                break;
        }
        return true;
}

bool sync_guard_exceeded(size_t n_deleted, size_t n_files, uint32_t max_count, uint32_t max_percent) {
        if (max_count > 0 && n_deleted > max_count)
                return true;
        return max_percent > 0 && n_deleted >= SYNC_GUARD_MIN &&
               n_deleted * UINT64_C(100) > n_files * (uint64_t) max_percent;
}
