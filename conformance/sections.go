package conformance

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// functionSections are the functions in the order of sections 5.4 to 5.19 of PKCS#11 3.2; the first of each list is 5.x.1.
var functionSections = map[string][]string{
	"5.4": {"C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"},
	"5.5": {"C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo", "C_WaitForSlotEvent", "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken", "C_InitPIN", "C_SetPIN"},
	"5.6": {"C_OpenSession", "C_CloseSession", "C_CloseAllSessions", "C_GetSessionInfo", "C_SessionCancel", "C_GetOperationState", "C_SetOperationState",
		"C_Login", "C_LoginUser", "C_Logout", "C_GetSessionValidationFlags"},
	"5.7": {"C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue",
		"C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal"},
	"5.8":  {"C_EncryptInit", "C_Encrypt", "C_EncryptUpdate", "C_EncryptFinal"},
	"5.9":  {"C_MessageEncryptInit", "C_EncryptMessage", "C_EncryptMessageBegin", "C_EncryptMessageNext", "C_MessageEncryptFinal"},
	"5.10": {"C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal"},
	"5.11": {"C_MessageDecryptInit", "C_DecryptMessage", "C_DecryptMessageBegin", "C_DecryptMessageNext", "C_MessageDecryptFinal"},
	"5.12": {"C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey", "C_DigestFinal"},
	"5.13": {"C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit", "C_SignRecover"},
	"5.14": {"C_MessageSignInit", "C_SignMessage", "C_SignMessageBegin", "C_SignMessageNext", "C_MessageSignFinal"},
	"5.15": {"C_VerifyInit", "C_Verify", "C_VerifyUpdate", "C_VerifyFinal", "C_VerifyRecoverInit", "C_VerifyRecover",
		"C_VerifySignatureInit", "C_VerifySignature", "C_VerifySignatureUpdate", "C_VerifySignatureFinal"},
	"5.16": {"C_MessageVerifyInit", "C_VerifyMessage", "C_VerifyMessageBegin", "C_VerifyMessageNext", "C_MessageVerifyFinal"},
	"5.17": {"C_DigestEncryptUpdate", "C_DecryptDigestUpdate", "C_SignEncryptUpdate", "C_DecryptVerifyUpdate"},
	"5.18": {"C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_WrapKeyAuthenticated", "C_UnwrapKeyAuthenticated",
		"C_EncapsulateKey", "C_DecapsulateKey"},
	"5.19": {"C_SeedRandom", "C_GenerateRandom"},
	"5.20": {"C_GetFunctionStatus", "C_CancelFunction"},
	"5.22": {"C_AsyncComplete", "C_AsyncGetID", "C_AsyncJoin"},
}

// areaNames are what people call the sections that checks are about.
var areaNames = map[string]string{
	"3": "lists and headers", "4": "objects and attributes", "6": "mechanisms",
	"5.1": "return values", "5.2": "output of any length", "5.4": "general purpose", "5.5": "slots and tokens", "5.6": "sessions", "5.7": "objects", "5.8": "encryption", "5.9": "messages",
	"5.10": "decryption", "5.11": "messages", "5.12": "digests", "5.13": "signatures and MACs", "5.14": "messages", "5.15": "signatures and MACs", "5.16": "messages",
	"5.17": "dual functions", "5.18": "keys", "5.19": "random numbers", "5.20": "parallel functions", "5.22": "asynchronous calls",
}

// own is the area of what a module has beside the standard.
const own = "beside the standard"

// SectionOf returns the section of PKCS#11 3.2 that a function is in, "" for a name that is none.
func SectionOf(function string) string {
	for section, functions := range functionSections {
		if i := slices.Index(functions, function); i >= 0 {
			return section + "." + strconv.Itoa(i+1)
		}
	}
	return ""
}

// areaOf is the area of a check that is about sections.
func areaOf(sections []string) string {
	if len(sections) == 0 {
		return own
	}
	s := sections[0]
	if parts := strings.Split(s, "."); parts[0] == "5" && len(parts) > 2 {
		s = strings.Join(parts[:2], ".")
	} else if parts[0] != "5" {
		s = parts[0]
	}
	if name := areaNames[s]; name != "" {
		return name
	}
	return own
}

var (
	functionRE = regexp.MustCompile(`\bC_\w+`)
	sectionRE  = regexp.MustCompile(`\b[3-6]\.\d+(?:\.\d+)*\b`)
	saysRE     = regexp.MustCompile(`\(?(?:PKCS ?#11(?: 3\.\d)?,? )?sections? [^).:]*(?:\.\d+[^).:]*)*\)?`)
)

// sectionsIn returns the sections of PKCS#11 that a text names.
func sectionsIn(text string) (list []string) {
	for _, said := range saysRE.FindAllString(text, -1) {
		_, numbers, _ := strings.Cut(said, "section") // what stands before can be the version
		for _, s := range sectionRE.FindAllString(numbers, -1) {
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}
