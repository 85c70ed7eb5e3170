/* What programs written for Windows include before wincrypt.h. Of Windows there is nothing here but what CryptoAPI needs. */
#ifndef SOFTCSP_WINDOWS_H
#define SOFTCSP_WINDOWS_H

#include "wincrypt.h"

#endif
