/* What flows.c and keyflows.c share. */
#ifndef FLOWS_H
#define FLOWS_H

#include "boundary.h"

struct template {
	struct worker *w;
	CK_ATTRIBUTE *rows;
	CK_ULONG n;
};

struct template template(struct worker *w);
void number(struct template *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void yes(struct template *t, CK_ATTRIBUTE_TYPE type);
void no(struct template *t, CK_ATTRIBUTE_TYPE type);
void text(struct template *t, CK_ATTRIBUTE_TYPE type, const char *value);
void within(struct template *t, CK_ATTRIBUTE_TYPE type, const struct template *inner);

word mechanism(struct worker *w, CK_MECHANISM_TYPE type, void *parameter, size_t n);
void *zeros(struct worker *w, size_t n);
CK_ULONG *length(struct worker *w, CK_ULONG n);
CK_OBJECT_HANDLE *handle(struct worker *w);
CK_OBJECT_HANDLE secret(struct worker *w, CK_KEY_TYPE type, size_t size);
CK_OBJECT_HANDLE wrapping(struct worker *w);
void pair(struct worker *w, CK_MECHANISM_TYPE generate, const struct template *public, CK_ATTRIBUTE_TYPE use, CK_ATTRIBUTE_TYPE verify,
	  CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv);

void rsa(struct worker *w);

void ciphers(struct worker *w);
void aead(struct worker *w);
void dual(struct worker *w);
void macs(struct worker *w);
void signatures(struct worker *w);
void recovery(struct worker *w);
void wraps(struct worker *w);
void sealed(struct worker *w);
void derivations(struct worker *w);
void passwords(struct worker *w);
void tls(struct worker *w);
void kem(struct worker *w);
void messages(struct worker *w);
void parts(struct worker *w);
void signed_messages(struct worker *w);
void given(struct worker *w);
void later(struct worker *w);
void anything(struct worker *w);

#endif
