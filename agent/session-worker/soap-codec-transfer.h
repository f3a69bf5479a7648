/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the codec that knows file transfers. */
#pragma once

#include "agent/session-worker/soap-codec.h"

/* Read the method's element into m->transfers (CancelTransfer: m->key). SOAP_OK or gSOAP's error. */
int soap_codec_get_download(struct soap *soap, CwmpMessage *m);
int soap_codec_get_upload(struct soap *soap, CwmpMessage *m);
int soap_codec_get_schedule_download(struct soap *soap, CwmpMessage *m);
int soap_codec_get_cancel_transfer(struct soap *soap, CwmpMessage *m);

/* Writes the body of a TransferComplete, or of a response to one of the methods above. SOAP_OK or gSOAP's error;
 * SOAP_NO_METHOD for other messages. */
int soap_codec_put_transfer(struct soap *soap, const CwmpMessage *m);
