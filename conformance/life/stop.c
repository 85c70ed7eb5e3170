/*
 * stop MODULE WHAT HOW: a call that would compute for minutes or years is ended from another thread.
 *
 * WHAT is pbkdf2, pbe, rsa, domain, digest or hmac; HOW is finalize, close or cancel. The module has two seconds.
 */
#define _GNU_SOURCE
#include "cryptoki.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* 2^36 bytes take minutes; of more an emulator makes tables for as long */
enum { PATIENCE = 2000, HUGE_INPUT = 36 };

static CK_FUNCTION_LIST_3_2 *f;
static CK_SESSION_HANDLE session;
static const char *what;
static volatile int computing, over; /* where the thread is */
static CK_RV result;
static CK_ULONG sixteen = 16, bits = 16384, prime = 3072, subprime = 256;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
static CK_BBOOL yes = CK_TRUE;
static CK_BYTE salt[8], iv[8], pass[4] = "pass";

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *step, CK_RV rv)
{
	printf("%s: %#lx\n", step, rv);
	exit(1);
}

static void check(const char *step, CK_RV rv)
{
	if (rv != CKR_OK)
		die(step, rv);
}

static CK_RV generate(void)
{
	CK_PKCS5_PBKD2_PARAMS2 modern = { CKZ_SALT_SPECIFIED, salt, 8, 100000000, CKP_PKCS5_PBKD2_HMAC_SHA512, NULL, 0, pass, 4 };
	CK_PBE_PARAMS old = { iv, pass, 4, salt, 8, 100000000 };
	CK_MECHANISM m = { CKM_PKCS5_PBKD2, &modern, sizeof modern };
	CK_ATTRIBUTE t[] = { { CKA_CLASS, &secret_key, sizeof secret_key }, { CKA_KEY_TYPE, &generic, sizeof generic }, { CKA_VALUE_LEN, &sixteen, sizeof sixteen } };
	CK_ATTRIBUTE sizes[] = { { CKA_PRIME_BITS, &prime, sizeof prime }, { CKA_SUBPRIME_BITS, &subprime, sizeof subprime } };
	CK_ATTRIBUTE modulus = { CKA_MODULUS_BITS, &bits, sizeof bits };
	CK_OBJECT_HANDLE a, b;

	computing = 1;
	if (is(what, "pbkdf2"))
		return f->C_GenerateKey(session, &m, t, 3, &a);
	if (is(what, "pbe")) {
		m = (CK_MECHANISM){ CKM_PBE_SHA1_DES3_EDE_CBC, &old, sizeof old };
		return f->C_GenerateKey(session, &m, NULL, 0, &a);
	}
	if (is(what, "domain")) {
		m = (CK_MECHANISM){ CKM_DSA_PARAMETER_GEN, NULL, 0 };
		return f->C_GenerateKey(session, &m, sizes, 2, &a);
	}
	m = (CK_MECHANISM){ CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	return f->C_GenerateKeyPair(session, &m, &modulus, 1, NULL, 0, &a, &b);
}

/* hash has an input that is long, and has no memory but a page of zeros again and again. */
static CK_RV hash(void)
{
	CK_BYTE *zeros = mmap(NULL, 1UL << HUGE_INPUT, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CK_MECHANISM m = { is(what, "digest") ? CKM_MD2 : CKM_SHA512_HMAC, NULL, 0 };
	CK_ATTRIBUTE t[] = { { CKA_CLASS, &secret_key, sizeof secret_key }, { CKA_KEY_TYPE, &generic, sizeof generic },
			     { CKA_VALUE, salt, sizeof salt }, { CKA_SIGN, &yes, 1 } };
	CK_OBJECT_HANDLE k;
	CK_BYTE out[64];
	CK_ULONG n = sizeof out;

	if (zeros == MAP_FAILED)
		exit(70);
	if (is(what, "digest")) {
		check("C_DigestInit", f->C_DigestInit(session, &m));
		computing = 1;
		return f->C_Digest(session, zeros, 1UL << HUGE_INPUT, out, &n);
	}
	check("C_CreateObject", f->C_CreateObject(session, t, 4, &k));
	check("C_SignInit", f->C_SignInit(session, &m, k));
	computing = 1;
	return f->C_Sign(session, zeros, 1UL << HUGE_INPUT, out, &n);
}

static void *compute(void *p)
{
	result = is(what, "digest") || is(what, "hmac") ? hash() : generate();
	over = 1;
	return p;
}

static void setup(const char *path)
{
	void *module = dlopen(path, RTLD_NOW);
	CK_C_GetInterface get = module ? (CK_C_GetInterface)dlsym(module, "C_GetInterface") : NULL;
	CK_INTERFACE *list;
	CK_SLOT_ID slot;
	CK_ULONG n = 1;
	CK_UTF8CHAR label[32], pin[] = "12345678";

	if (!get)
		exit(71);
	memset(label, ' ', sizeof label);
	check("C_GetInterface", get((CK_UTF8CHAR_PTR) "PKCS 11", &(CK_VERSION){ 3, 2 }, &list, 0));
	f = list->pFunctionList;
	check("C_Initialize", f->C_Initialize(NULL));
	check("C_GetSlotList", f->C_GetSlotList(CK_FALSE, &slot, &n));
	check("C_InitToken", f->C_InitToken(slot, pin, 8, label));
	check("C_OpenSession", f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	check("C_Login", f->C_Login(session, CKU_SO, pin, 8));
	check("C_InitPIN", f->C_InitPIN(session, pin, 8));
	check("C_Logout", f->C_Logout(session));
	check("C_Login", f->C_Login(session, CKU_USER, pin, 8));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	long began;

	if (argc != 4)
		return 64;
	setup(argv[1]);
	what = argv[2];
	pthread_create(&thread, NULL, compute, NULL);
	while (!computing)
		usleep(1000);
	usleep(200000);
	if (over)
		die("it was over at once", result);
	began = now();
	if (is(argv[3], "finalize"))
		check("C_Finalize", f->C_Finalize(NULL));
	else if (is(argv[3], "close"))
		check("C_CloseSession", f->C_CloseSession(session));
	else
		check("C_SessionCancel", f->C_SessionCancel(session, CKF_GENERATE | CKF_GENERATE_KEY_PAIR));
	while (!over && now() - began < PATIENCE)
		usleep(1000);
	if (!over)
		die("it goes on", 0);
	pthread_join(thread, NULL);
	if (result != CKR_FUNCTION_CANCELED)
		die("it returned", result);
	printf("ok\n");
	return 0;
}
