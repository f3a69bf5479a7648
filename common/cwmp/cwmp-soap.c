/* SPDX-License-Identifier: GPL-2.0-or-later */
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

/* The same for a peer that knows nothing newer. */
static struct Namespace oldest_namespaces[] = {
        { "SOAP-ENV", "http://schemas.xmlsoap.org/soap/envelope/", NULL, NULL },
        { "SOAP-ENC", "http://schemas.xmlsoap.org/soap/encoding/", NULL, NULL },
        { "xsi", "http://www.w3.org/2001/XMLSchema-instance", NULL, NULL },
        { "xsd", "http://www.w3.org/2001/XMLSchema", NULL, NULL },
        { "cwmp", "urn:dslforum-org:cwmp-1-0", "urn:dslforum-org:cwmp-1-*", NULL },
        { NULL, NULL, NULL, NULL },
};

/* UTFSTRING: char * holds UTF-8, and not Latin-1. */
#define MODE (SOAP_IO_KEEPALIVE | SOAP_XML_TREE | SOAP_C_UTFSTRING)

void cwmp_soap_init(struct soap *soap) {
        soap_init2(soap, MODE, MODE);
        (void) soap_set_namespaces(soap, namespaces);

        soap->recv_maxlength = CWMP_ENVELOPE_MAX;
        soap->maxlength = CWMP_STRING_MAX;
        soap->maxlevel = CWMP_NESTING_MAX;
        soap->maxoccurs = CWMP_ARRAY_MAX;
        soap->socket_flags = MSG_NOSIGNAL;
}

void cwmp_soap_use_oldest(struct soap *soap) {
        (void) soap_set_namespaces(soap, oldest_namespaces);
}

bool cwmp_soap_is_oldest(const struct soap *soap) {
        return soap->namespaces == oldest_namespaces;
}
