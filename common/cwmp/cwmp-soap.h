/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent and the ACS share of SOAP: a gSOAP context with CWMP's namespaces and the limits for a peer that is
 * not trusted. Only worker processes and the ACS include this; it brings gSOAP with it. */
#pragma once

#include <stdbool.h>

#include "cwmpH.h"

/* TR-069 section 3.5 demands 32 KiB at least; a set of a whole tree, or its values, is larger than that. */
#define CWMP_ENVELOPE_MAX (4U * 1024U * 1024U)
/* The longest string: DeviceInfo.DeviceLog has 32 KiB. */
#define CWMP_STRING_MAX (64U * 1024U)
/* A parameter is eight levels deep at most inside its message. */
#define CWMP_NESTING_MAX 32U
/* Members of one array: more than a gateway has parameters. Where arrayType says the number, gSOAP allocates them
 * before it reads them. */
#define CWMP_ARRAY_MAX 20000U

/* TR-069 3.7.1.2: the versions a CPE of ours speaks, and the seconds that it waits for an answer. CWMP 1.2 to 1.4 have
 * one namespace. */
#define CWMP_SUPPORTED_VERSIONS "1.0,1.1,1.2,1.3,1.4"
#define CWMP_SESSION_TIMEOUT 60U

/* Initializes the context with CWMP's namespaces (any version is accepted),
 * the limits above, no multi-reference resolution and no SIGPIPE. The caller sets its own time-outs, and ends it with
 * soap_destroy(), soap_end(), soap_done(). */
void cwmp_soap_init(struct soap *soap);

/* CWMP 1.0, which every peer knows. */
#define CWMP_URN_OLDEST "urn:dslforum-org:cwmp-1-0"
/* Room for the number of a version that is far away. */
#define CWMP_URN_MAX 31U
/* SOAP's two, XML Schema's two, CWMP, and the end. */
#define CWMP_NAMESPACES 6U

/* The version that a context speaks; must outlive it. */
typedef struct CwmpVersion {
        char urn[CWMP_URN_MAX + 1];
        struct Namespace namespaces[CWMP_NAMESPACES];
} CwmpVersion;

/* From now on the context speaks the version with that namespace (of any prefix it accepts all versions still). What is
 * longer than CWMP_URN_MAX is ignored. */
void cwmp_soap_set_version(struct soap *soap, CwmpVersion *version, const char *urn);
/* The same, with the version of the envelope that was just read: after soap_end_recv(), before soap_end(). */
void cwmp_soap_follow_version(struct soap *soap, CwmpVersion *version);
bool cwmp_soap_is_oldest(const struct soap *soap);

/* What the envelopes written from now on declare. For a message without arrays and typed values, two of the five
 * namespaces are enough, and the others half of its bytes; where a context also reads, all are back before it does. */
void cwmp_soap_declare(struct soap *soap, bool all);
