/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CWMP (TR-069, cwmp-1-0.xsd to cwmp-1-4.xsd) in the input language of gSOAP's soapcpp2: the messages that the agent
 * and the ACS exchange. The build generates cwmpStub.h, cwmpH.h, cwmpC.c, cwmpClient.c and cwmpServer.c from it; C code
 * includes "cwmpH.h", never this file.
 *
 * Conventions of soapcpp2: "a__b" is the qualified name a:b, "__ptrX; __size" is a SOAP array of elements X, "@" an
 * attribute. Arrays must have the type's prefix in their element type, or arrayType is written without one.
 *
 * Nothing is limited in size by this file: a receiver sets soap.recv_maxlength, maxlength, maxlevel and maxoccurs, and
 * checks every member for NULL (an array claims its size before it has its members). */

//gsoap cwmp service name: cwmp
//gsoap cwmp service style: rpc
//gsoap cwmp service encoding: literal
//gsoap cwmp service namespace: urn:dslforum-org:cwmp-1-0
//gsoap cwmp schema namespace: urn:dslforum-org:cwmp-1-0
//gsoap cwmp schema elementForm: unqualified
//gsoap cwmp schema attributeForm: unqualified

typedef char *xsd__string;
/* ISO 8601 text: the data model engine and the agent do the arithmetic. */
typedef char *xsd__dateTime;
typedef unsigned int xsd__unsignedInt;
typedef int xsd__int;
enum xsd__boolean { xsd__boolean__false_, xsd__boolean__true_ };

/* Text with its declared type as it stood in the message: "xsd:boolean" with the sender's own prefix, or NULL. */
struct cwmp__Value {
        xsd__string __item;
        @xsd__string xsi__type;
};

struct cwmp__ParameterValueStruct {
        xsd__string Name 1:1;
        struct cwmp__Value Value 1:1;
};

struct ParameterValueList {
        struct cwmp__ParameterValueStruct *__ptrParameterValueStruct;
        int __size;
};

/* ParameterNames, MethodList and AccessList: xsd:string[n] with elements <string>. */
struct StringList {
        xsd__string *__ptrstring;
        int __size;
};

struct cwmp__DeviceIdStruct {
        xsd__string Manufacturer 1:1;
        xsd__string OUI 1:1;
        xsd__string ProductClass 1:1;
        xsd__string SerialNumber 1:1;
};

struct cwmp__EventStruct {
        xsd__string EventCode 1:1;
        xsd__string CommandKey 1:1;
};

struct EventList {
        struct cwmp__EventStruct *__ptrEventStruct;
        int __size;
};

struct cwmp__ParameterInfoStruct {
        xsd__string Name 1:1;
        enum xsd__boolean Writable 1:1;
};

struct ParameterInfoList {
        struct cwmp__ParameterInfoStruct *__ptrParameterInfoStruct;
        int __size;
};

struct cwmp__SetParameterAttributesStruct {
        xsd__string Name 1:1;
        enum xsd__boolean NotificationChange 1:1;
        xsd__int Notification 1:1;
        enum xsd__boolean AccessListChange 1:1;
        struct StringList AccessList 1:1;
};

struct SetParameterAttributesList {
        struct cwmp__SetParameterAttributesStruct *__ptrSetParameterAttributesStruct;
        int __size;
};

struct cwmp__ParameterAttributeStruct {
        xsd__string Name 1:1;
        xsd__int Notification 1:1;
        struct StringList AccessList 1:1;
};

struct ParameterAttributeList {
        struct cwmp__ParameterAttributeStruct *__ptrParameterAttributeStruct;
        int __size;
};

struct cwmp__TransferCompleteFaultStruct {
        xsd__unsignedInt FaultCode 1:1;
        xsd__string FaultString 1:1;
};

struct cwmp__TimeWindowStruct {
        xsd__unsignedInt WindowStart 1:1;
        xsd__unsignedInt WindowEnd 1:1;
        xsd__string WindowMode 1:1;
        xsd__string UserMessage 1:1;
        xsd__int MaxRetries 1:1;
};

struct TimeWindowList {
        struct cwmp__TimeWindowStruct *__ptrTimeWindowStruct;
        int __size;
};

struct cwmp__QueuedTransferStruct {
        xsd__string CommandKey 1:1;
        xsd__int State 1:1;
};

struct QueuedTransferList {
        struct cwmp__QueuedTransferStruct *__ptrQueuedTransferStruct;
        int __size;
};

struct cwmp__AllQueuedTransferStruct {
        xsd__string CommandKey 1:1;
        xsd__int State 1:1;
        enum xsd__boolean IsDownload 1:1;
        xsd__string FileType 1:1;
        xsd__unsignedInt FileSize 1:1;
        xsd__string TargetFileName 1:1;
};

struct AllQueuedTransferList {
        struct cwmp__AllQueuedTransferStruct *__ptrAllQueuedTransferStruct;
        int __size;
};

/* Header entries and faults. SessionTimeout and SupportedCWMPVersions go from CPE to ACS, UseCWMPVersion and
 * HoldRequests from ACS to CPE. */
struct SOAP_ENV__Header {
        mustUnderstand xsd__string cwmp__ID;
        mustUnderstand enum xsd__boolean *cwmp__HoldRequests;
        xsd__unsignedInt *cwmp__SessionTimeout;
        xsd__string cwmp__SupportedCWMPVersions;
        mustUnderstand xsd__string cwmp__UseCWMPVersion;
};

struct cwmp__SetParameterValuesFault {
        xsd__string ParameterName 1:1;
        xsd__unsignedInt FaultCode 1:1;
        xsd__string FaultString 0:1;
};

struct cwmp__FaultDetail {
        xsd__unsignedInt FaultCode 1:1;
        xsd__string FaultString 0:1;
        int __sizeSetParameterValuesFault;
        struct cwmp__SetParameterValuesFault *SetParameterValuesFault;
};

struct SOAP_ENV__Detail {
        struct cwmp__FaultDetail *cwmp__Fault;
        int __type;
        void *fault;
};

/* Methods of both sides. A method without arguments has its response as the only parameter: with a "void *"
 * in front, soapcpp2 2.8.124 generates a deserializer that never dispatches. */
struct cwmp__GetRPCMethodsResponse {
        struct StringList MethodList 1:1;
};
int cwmp__GetRPCMethods(struct cwmp__GetRPCMethodsResponse *ret);

/* Methods of the ACS. */
struct cwmp__InformResponse {
        xsd__unsignedInt MaxEnvelopes 1:1;
};
int cwmp__Inform(struct cwmp__DeviceIdStruct DeviceId 1:1, struct EventList Event 1:1,
                 xsd__unsignedInt MaxEnvelopes 1:1, xsd__dateTime CurrentTime 1:1, xsd__unsignedInt RetryCount 1:1,
                 struct ParameterValueList ParameterList 1:1, struct cwmp__InformResponse *ret);

struct cwmp__TransferCompleteResponse {
};
int cwmp__TransferComplete(xsd__string CommandKey 1:1, struct cwmp__TransferCompleteFaultStruct FaultStruct 1:1,
                           xsd__dateTime StartTime 1:1, xsd__dateTime CompleteTime 1:1,
                           struct cwmp__TransferCompleteResponse *ret);

/* Methods of the CPE. */
struct cwmp__SetParameterValuesResponse {
        xsd__int Status 1:1;
};
int cwmp__SetParameterValues(struct ParameterValueList ParameterList 1:1, xsd__string ParameterKey 1:1,
                             struct cwmp__SetParameterValuesResponse *ret);

struct cwmp__GetParameterValuesResponse {
        struct ParameterValueList ParameterList 1:1;
};
int cwmp__GetParameterValues(struct StringList ParameterNames 1:1, struct cwmp__GetParameterValuesResponse *ret);

struct cwmp__GetParameterNamesResponse {
        struct ParameterInfoList ParameterList 1:1;
};
int cwmp__GetParameterNames(xsd__string ParameterPath 1:1, enum xsd__boolean NextLevel 1:1,
                            struct cwmp__GetParameterNamesResponse *ret);

struct cwmp__SetParameterAttributesResponse {
};
int cwmp__SetParameterAttributes(struct SetParameterAttributesList ParameterList 1:1,
                                 struct cwmp__SetParameterAttributesResponse *ret);

struct cwmp__GetParameterAttributesResponse {
        struct ParameterAttributeList ParameterList 1:1;
};
int cwmp__GetParameterAttributes(struct StringList ParameterNames 1:1,
                                 struct cwmp__GetParameterAttributesResponse *ret);

struct cwmp__AddObjectResponse {
        xsd__unsignedInt InstanceNumber 1:1;
        xsd__int Status 1:1;
};
int cwmp__AddObject(xsd__string ObjectName 1:1, xsd__string ParameterKey 1:1, struct cwmp__AddObjectResponse *ret);

struct cwmp__DeleteObjectResponse {
        xsd__int Status 1:1;
};
int cwmp__DeleteObject(xsd__string ObjectName 1:1, xsd__string ParameterKey 1:1,
                       struct cwmp__DeleteObjectResponse *ret);

struct cwmp__DownloadResponse {
        xsd__int Status 1:1;
        xsd__dateTime StartTime 1:1;
        xsd__dateTime CompleteTime 1:1;
};
int cwmp__Download(xsd__string CommandKey 1:1, xsd__string FileType 1:1, xsd__string URL 1:1,
                   xsd__string Username 1:1, xsd__string Password 1:1, xsd__unsignedInt FileSize 1:1,
                   xsd__string TargetFileName 1:1, xsd__unsignedInt DelaySeconds 1:1, xsd__string SuccessURL 1:1,
                   xsd__string FailureURL 1:1, struct cwmp__DownloadResponse *ret);

struct cwmp__UploadResponse {
        xsd__int Status 1:1;
        xsd__dateTime StartTime 1:1;
        xsd__dateTime CompleteTime 1:1;
};
int cwmp__Upload(xsd__string CommandKey 1:1, xsd__string FileType 1:1, xsd__string URL 1:1, xsd__string Username 1:1,
                 xsd__string Password 1:1, xsd__unsignedInt DelaySeconds 1:1, struct cwmp__UploadResponse *ret);

struct cwmp__ScheduleDownloadResponse {
};
int cwmp__ScheduleDownload(xsd__string CommandKey 1:1, xsd__string FileType 1:1, xsd__string URL 1:1,
                           xsd__string Username 1:1, xsd__string Password 1:1, xsd__unsignedInt FileSize 1:1,
                           xsd__string TargetFileName 1:1, struct TimeWindowList TimeWindowList 1:1,
                           struct cwmp__ScheduleDownloadResponse *ret);

struct cwmp__CancelTransferResponse {
};
int cwmp__CancelTransfer(xsd__string CommandKey 1:1, struct cwmp__CancelTransferResponse *ret);

struct cwmp__GetQueuedTransfersResponse {
        struct QueuedTransferList TransferList 1:1;
};
int cwmp__GetQueuedTransfers(struct cwmp__GetQueuedTransfersResponse *ret);

struct cwmp__GetAllQueuedTransfersResponse {
        struct AllQueuedTransferList TransferList 1:1;
};
int cwmp__GetAllQueuedTransfers(struct cwmp__GetAllQueuedTransfersResponse *ret);

struct cwmp__RebootResponse {
};
int cwmp__Reboot(xsd__string CommandKey 1:1, struct cwmp__RebootResponse *ret);

struct cwmp__ScheduleInformResponse {
};
int cwmp__ScheduleInform(xsd__unsignedInt DelaySeconds 1:1, xsd__string CommandKey 1:1,
                         struct cwmp__ScheduleInformResponse *ret);

struct cwmp__FactoryResetResponse {
};
int cwmp__FactoryReset(struct cwmp__FactoryResetResponse *ret);
