/* A host of libpkcs11-helper: it signs with a key, forks, and signs in the child, with the helper's handlers for forks. */
#include <pkcs11-helper-1.0/pkcs11h-certificate.h>
#include <pkcs11-helper-1.0/pkcs11h-core.h>
#include <pkcs11-helper-1.0/pkcs11h-token.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(const char *what, CK_RV rv)
{
	if (rv != CKR_OK) {
		printf("%d: %s: %s\n", getpid(), what, pkcs11h_getMessage(rv));
		exit(1);
	}
}

static PKCS11H_BOOL pin(void *global, void *user, const pkcs11h_token_id_t token, unsigned retry, char *out, size_t max)
{
	(void)global, (void)user, (void)token, (void)retry;
	snprintf(out, max, "user-1234");
	return TRUE;
}

static void sign(pkcs11h_certificate_t cert)
{
	unsigned char hash[32] = { 1 }, signature[512];
	size_t size = sizeof signature;

	must("sign", pkcs11h_certificate_signAny(cert, CKM_RSA_PKCS, hash, sizeof hash, signature, &size));
	if (size != 256)
		exit(2);
}

int main(int argc, char **argv)
{
	pkcs11h_certificate_id_list_t issuers, list;
	pkcs11h_certificate_t cert;

	if (argc != 2)
		return 2;
	must("initialize", pkcs11h_initialize());
	must("safe fork", pkcs11h_setForkMode(TRUE));
	must("pin hook", pkcs11h_setPINPromptHook(pin, NULL));
	must("provider", pkcs11h_addProvider("test", argv[1], FALSE, 0, 0, 0, FALSE));
	must("list", pkcs11h_certificate_enumCertificateIds(PKCS11H_ENUM_METHOD_RELOAD, NULL, PKCS11H_PROMPT_MASK_ALLOW_ALL, &issuers, &list));
	if (list == NULL)
		return 3;
	must("certificate", pkcs11h_certificate_create(list->certificate_id, NULL, PKCS11H_PROMPT_MASK_ALLOW_ALL, PKCS11H_PIN_CACHE_INFINITE, &cert));
	sign(cert);
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			sign(cert);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0) {
			printf("child %d: %x\n", i, status);
			return 4;
		}
		sign(cert);
	}
	puts("ok");
	pkcs11h_certificate_freeCertificate(cert);
	return pkcs11h_terminate() != CKR_OK;
}
