/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CWMP messages to and from XML, with gSOAP. */
#pragma once

#include "agent/core/cwmp-message.h"
#include "common/cwmp/cwmp-soap.h"

/* Writes the envelope of the message (which is not EMPTY) to the context: between soap_begin_count() and
 * soap_end_count(), or soap_connect() and soap_end_send(). SOAP_OK or gSOAP's error. */
int soap_codec_put(struct soap *soap, const CwmpMessage *m);

/* Reads an envelope after soap_begin_recv(), up to and with soap_end_recv(). *ret is the caller's. SOAP_OK
 * or gSOAP's error. */
int soap_codec_get(struct soap *soap, CwmpMessage **ret);
