"""A host that initialises a module, logs in, and then forks workers with multiprocessing, as web servers do. Each worker
calls C_Initialize for itself and signs; all signatures must be equal. workers.py MODULE PIN"""

import ctypes
import multiprocessing
import sys

ULONG = ctypes.c_ulong
CKR_OK, CKR_NOT_INITIALIZED = 0, 0x190
CKF_SERIAL, CKU_USER, CKM_SHA256_HMAC = 4, 1, 0x251
CKA_CLASS, CKA_KEY_TYPE, CKA_VALUE, CKA_SIGN, CKO_SECRET_KEY, CKK_GENERIC = 0, 0x100, 0x11, 0x108, 4, 0x10


class Attribute(ctypes.Structure):
    _fields_ = [("type", ULONG), ("value", ctypes.c_void_p), ("length", ULONG)]


class Mechanism(ctypes.Structure):
    _fields_ = [("type", ULONG), ("parameter", ctypes.c_void_p), ("length", ULONG)]


def must(rv, what, want=CKR_OK):
    if rv != want:
        raise SystemExit(f"{what}: {rv:#x}, not {want:#x}")


def template(**values):
    rows = [(CKA_CLASS, ULONG(CKO_SECRET_KEY)), (CKA_KEY_TYPE, ULONG(CKK_GENERIC)), (CKA_SIGN, ctypes.c_ubyte(1)),
            (CKA_VALUE, ctypes.create_string_buffer(values["value"], len(values["value"])))]
    array = (Attribute * len(rows))()
    for at, (kind, value) in zip(array, rows):
        at.type, at.value, at.length = kind, ctypes.addressof(value), ctypes.sizeof(value)
    return array, rows


def signature(p11, pin):
    """C_Initialize, a session, a login, a key, a signature."""
    must(p11.C_Initialize(None), "C_Initialize")
    slots, n = (ULONG * 16)(), ULONG(16)
    must(p11.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(n)), "C_GetSlotList")
    session, key, size = ULONG(), ULONG(), ULONG(64)
    must(p11.C_OpenSession(slots[0], ULONG(CKF_SERIAL), None, None, ctypes.byref(session)), "C_OpenSession")
    must(p11.C_Login(session, ULONG(CKU_USER), pin, ULONG(len(pin))), "C_Login")
    array, keep = template(value=b"a key that all workers know")
    must(p11.C_CreateObject(session, array, ULONG(len(array)), ctypes.byref(key)), "C_CreateObject")
    out = ctypes.create_string_buffer(64)
    for _ in range(50):
        size.value = 64
        must(p11.C_SignInit(session, ctypes.byref(Mechanism(CKM_SHA256_HMAC, None, 0)), key), "C_SignInit")
        must(p11.C_Sign(session, b"data", ULONG(4), out, ctypes.byref(size)), "C_Sign")
    del keep
    return out.raw[:size.value]


def worker(number):
    must(p11.C_GetInfo(ctypes.create_string_buffer(128)), "C_GetInfo before C_Initialize", CKR_NOT_INITIALIZED)
    return number, signature(p11, pin)


if __name__ == "__main__":
    pin = sys.argv[2].encode()
    p11 = ctypes.CDLL(sys.argv[1])
    expected = signature(p11, pin)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(8, maxtasksperchild=1) as pool:
        for number, got in pool.imap_unordered(worker, range(24)):
            if got != expected:
                raise SystemExit(f"worker {number} signed {got.hex()}, not {expected.hex()}")
    must(p11.C_Finalize(None), "C_Finalize")
    print("ok")
