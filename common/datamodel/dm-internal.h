/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the engine share; nobody else includes this. */
#pragma once

#include "common/base/str.h"
#include "common/datamodel/dm.h"

typedef struct DmNode DmNode;

typedef struct DmTable {
        DmNode **rows; /* by instance number */
        size_t n, allocated;
        uint32_t last_instance; /* the highest that was ever given */
        size_t old_n;           /* rows before the present transaction, if touched */
        bool touched;
} DmTable;

/* An object or a row. */
struct DmNode {
        const DmObject *object;
        DmNode *parent;
        uint32_t instance; /* 0: not a row */
        bool attached;     /* in the tree, as far as its own parent goes */
        char **values;     /* object->n_parameters; NULL is the default */
        DmNode **singles;  /* object->n_children; NULL where the child is a table */
        DmTable *tables;   /* the same; unused where it is not */
};

typedef struct DmPrepared {
        uint64_t token; /* 0: nothing is prepared */
        DmOrigin origin;
        char **names, **values; /* strv; values are canonical */
} DmPrepared;

struct DmModel {
        const DmSchema *schema;
        const DmProvider *provider;
        void *userdata;
        DmListener listener;
        void *listener_userdata;
        DmNode *root;
        int dir_fd; /* -EBADF: not persistent */
        char *file;
        DmUpdate *update; /* the one that is going on */
        DmPrepared prepared;
        uint64_t last_token;
};

/* --- dm-node.c --- */

/* A node with nothing set but its Alias, and the objects below it that always exist; not attached. parent is NULL for
 * the root, instance 0 for what is no row. The caller's; NULL if memory ran out. */
DmNode *dm_node_new(const DmSchema *schema, const DmObject *object, DmNode *parent, uint32_t instance);
DmNode *dm_node_free(DmNode *node);
DEFINE_TRIVIAL_CLEANUP_FUNC(DmNode *, dm_node_free);

/* The path with a dot at the end. The generator has made sure that it fits. Returns buf. */
char *dm_node_path(const DmNode *node, char buf[static DM_PATH_MAX + 1]);
/* The instance numbers in its path, from the root on. */
void dm_node_instances(const DmNode *node, uint32_t instances[static DM_DEPTH_MAX]);
/* True if it can be reached from the root. */
bool dm_node_is_attached(const DmNode *node);
/* The table that a row is of. */
DmTable *dm_node_table(const DmNode *row);

/* The stored value, or the default. Never NULL. */
const char *dm_node_value(const DmNode *node, const DmParameter *p);
/* Where the value is stored, NULL in it for the default. */
char **dm_node_slot(const DmNode *node, const DmParameter *p);

/* The index of the first row whose instance number is not smaller. */
size_t dm_table_position(const DmTable *table, uint32_t instance);
/* The row with the instance number, or NULL. */
DmNode *dm_table_find(const DmTable *table, uint32_t instance);
/* Attaches the row, which is the table's then. 0 or -ENOMEM. */
int dm_table_insert(DmTable *table, DmNode *row);
/* Detaches the row, which is the caller's then. The space stays, so that putting it back cannot fail. */
void dm_table_remove(DmTable *table, DmNode *row);

typedef enum DmRefKind {
        DM_REF_OBJECT,
        DM_REF_TABLE,
        DM_REF_PARAMETER,
} DmRefKind;

typedef struct DmRef {
        DmRefKind kind;
        DmNode *node; /* the object; of a table, the object above it; of a parameter, the one that has it */
        size_t child; /* DM_REF_TABLE: index in node->object->children */
        const DmParameter *parameter;
} DmRef;

/* "" is the root, a dot at the end makes an object or table, none makes a parameter. 0 or -ENOENT. */
int dm_resolve(const DmModel *m, const char *path, DmRef *ret);

/* printf into a path. 0 or -ENAMETOOLONG. */
int dm_path_vformat(char buf[static DM_PATH_MAX + 1], const char *format, va_list ap)
                __attribute__((format(printf, 2, 0)));

/* The schema's object that is the node's child of this index. */
const DmObject *dm_child_object(const DmModel *m, const DmNode *node, size_t child);

/* Calls f for all rows or objects of that kind below node. Stops at the first error and returns it. */
int dm_walk(const DmModel *m,
            DmNode *node,
            const DmObject *object,
            int (*f)(DmNode *node, void *userdata),
            void *userdata);

/* --- dm-read.c --- */

/* The value as seen inside (dm_get_string()). 0 or -ENOMEM. */
int dm_read(DmModel *m, const DmNode *node, const DmParameter *p, char **ret);

/* --- dm-update.c --- */

typedef struct DmStep {
        DmChangeKind kind;
        DmNode *node; /* the row, or the object with the parameter */
        const DmParameter *parameter;
        char *value;            /* the value that the node does not have now: the old one, once done */
        uint32_t last_instance; /* DM_CHANGE_ADDED: of the table, before */
} DmStep;

struct DmUpdate {
        DmModel *model;
        DmOrigin origin;
        DmStep *steps;
        size_t n;
        int error;
        bool committed;
};

/* canonical is taken, also on failure. Equal values make no step, except for triggers from outside. 0 or -ENOMEM. */
int dm_update_set_node(DmUpdate *u, DmNode *node, const DmParameter *p, char *canonical);
/* A new row with the next instance number in the table of this child. 0, -ENOSPC (full, or out of numbers) or
 * -ENOMEM. */
int dm_update_add_row(DmUpdate *u, DmNode *node, size_t child, DmNode **ret);
/* With all below it. 0 or -ENOMEM. */
int dm_update_delete_row(DmUpdate *u, DmNode *row);

typedef struct DmChanges {
        DmChange *items;
        size_t n;
} DmChanges;

/* What listeners are told of the update's steps: each row and value once. *ret is the caller's. 0 or -ENOMEM. */
int dm_changes_build(const DmUpdate *u, DmChanges *ret);
void dm_changes_done(DmChanges *changes);

/* Durable, told to the listener and, for what others ordered, to committed(), whose result goes to
 * *ret_status. */
int dm_update_finish(DmUpdate *u, int *ret_status);

/* --- dm-check.c --- */

/* Unique keys and strong references of what the update touched, then the provider's validate(). 0 or a
 * negative errno. */
int dm_check_update(DmUpdate *u, DmFaults *faults);

/* Takes the deleted row, and what is below it, out of the strong references to it (TR-106 A.2.3.7). */
int dm_drop_references(DmUpdate *u, const DmNode *row);

/* --- dm-store.c --- */

/* 0 or a negative errno. Does nothing for a model that is in memory only. */
int dm_store_save(const DmModel *m);

/* True if the parameter is in the file. */
bool dm_store_keeps(const DmParameter *p);
