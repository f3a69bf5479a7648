/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>

#include "common/cwmp/cwmp-soap.h"

/* gSOAP looks for this name. The second column is what a side speaks first (CWMP 1.2 to 1.4 share that
 * namespace), the third what it accepts; an answer is in the namespace of the request. */
struct Namespace namespaces[] = {
        { "SOAP-ENV", "http://schemas.xmlsoap.org/soap/envelope/", NULL, NULL },
        { "SOAP-ENC", "http://schemas.xmlsoap.org/soap/encoding/", NULL, NULL },
        { "xsi", "http://www.w3.org/2001/XMLSchema-instance", NULL, NULL },
        { "xsd", "http://www.w3.org/2001/XMLSchema", NULL, NULL },
        { "cwmp", "urn:dslforum-org:cwmp-1-2", "urn:dslforum-org:cwmp-1-*", NULL },
        { NULL, NULL, NULL, NULL },
};

/* UTFSTRING: char * holds UTF-8, and not Latin-1. */
#define MODE (SOAP_IO_KEEPALIVE | SOAP_XML_TREE | SOAP_C_UTFSTRING)

void cwmp_soap_init(struct soap *soap) {
        soap_init2(soap, MODE, MODE);
        (void) soap_set_namespaces(soap, namespaces);

        /* UTF-8 is what XML is without a declaration, and what Content-Type says. */
        soap->prolog = "";
        soap->recv_maxlength = CWMP_ENVELOPE_MAX;
        soap->maxlength = CWMP_STRING_MAX;
        soap->maxlevel = CWMP_NESTING_MAX;
        soap->maxoccurs = CWMP_ARRAY_MAX;
        soap->socket_flags = MSG_NOSIGNAL;
}

/* The entry of CWMP in a table of namespaces. */
static const struct Namespace *cwmp_entry(const struct Namespace *table) {
        while (table->id && strcmp(table->id, "cwmp") != 0)
                table++;
        return table;
}

void cwmp_soap_set_version(struct soap *soap, CwmpVersion *version, const char *urn) {
        if (strlen(urn) >= sizeof(version->urn))
                return;
        strcpy(version->urn, urn);
        memcpy(version->namespaces, namespaces, sizeof(namespaces));
        version->namespaces[cwmp_entry(namespaces) - namespaces].ns = version->urn;
        (void) soap_set_namespaces(soap, version->namespaces);
}

void cwmp_soap_follow_version(struct soap *soap, CwmpVersion *version) {
        /* gSOAP forgets what it has read with soap_end(). */
        const struct Namespace *peer = soap->local_namespaces ? cwmp_entry(soap->local_namespaces) : NULL;
        char urn[CWMP_URN_MAX + 1];

        if (!peer || !peer->out || strlen(peer->out) > CWMP_URN_MAX)
                return;
        strcpy(urn, peer->out);
        cwmp_soap_set_version(soap, version, urn);
}

void cwmp_soap_declare(struct soap *soap, bool all) {
        soap_set_local_namespaces(soap);
        for (size_t i = 0; namespaces[i].id; i++)
                if (strcmp(namespaces[i].id, "SOAP-ENV") != 0 && strcmp(namespaces[i].id, "cwmp") != 0)
                        soap->local_namespaces[i].ns = all ? namespaces[i].ns : NULL;
}

bool cwmp_soap_is_oldest(const struct soap *soap) {
        return strcmp(cwmp_entry(soap->namespaces)->ns, CWMP_URN_OLDEST) == 0;
}
