package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// The exit codes, as the help of the program tells them.
const (
	exitFailed = 1 + iota
	exitUsage
	exitPIN
	exitNotFound
	exitDamaged
)

// A failure is an error with an exit code of its own.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage is an error of the command line. It names the help of the command, unless the error does already.
func usage(c *cobra.Command, err error) error {
	if strings.HasSuffix(err.Error(), c.CommandPath()+" --help") {
		return &failure{exitUsage, err}
	}
	return &failure{exitUsage, fmt.Errorf("%w\nTry: %s --help", err, c.CommandPath())}
}

// misuse is an error of the command line that shows when it is used.
func misuse(format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...)}
}

// notFound is an error about something that is not there.
func notFound(format string, args ...any) error {
	return &failure{exitNotFound, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	switch ck.Code(err) {
	case ck.CKR_PIN_INCORRECT, ck.CKR_PIN_LOCKED:
		return exitPIN
	case ck.CKR_DEVICE_ERROR, ck.CKR_TOKEN_NOT_RECOGNIZED:
		return exitDamaged
	case ck.CKR_GENERAL_ERROR: // none of the token's
		if errors.Is(err, fs.ErrNotExist) {
			return exitNotFound
		}
	}
	return exitFailed
}

// hints say what to do about a return value that can reach a user.
var hints = map[ck.RV]string{
	ck.CKR_PIN_LEN_RANGE:              "a PIN has 4 to 255 bytes",
	ck.CKR_DEVICE_ERROR:               "the token file is damaged; see what is wrong with: softcsp token check",
	ck.CKR_KEY_SIZE_RANGE:             "the cipher has no keys of that length; leave --bits out for the provider's default",
	ck.CKR_KEY_TYPE_INCONSISTENT:      "that key is not for this",
	ck.CKR_KEY_FUNCTION_NOT_PERMITTED: "the key's attributes forbid this use",
	ck.CKR_ENCRYPTED_DATA_INVALID:     "wrong key, wrong --iv, or not a file that this key encrypted",
	ck.CKR_ENCRYPTED_DATA_LEN_RANGE:   "the file was cut, or is not one that this key encrypted",
	ck.CKR_TEMPLATE_INCONSISTENT:      "these options contradict each other",
	ck.CKR_ATTRIBUTE_SENSITIVE:        "the key does not leave the token: only one that was made --extractable (derived --exportable) does",
	ck.CKR_DEVICE_MEMORY:              "the disk is full",
	ck.CKR_TOKEN_WRITE_PROTECTED:      "who uses a token must be able to read and to write its file and its directory: logins are counted there",
	ck.CKR_MECHANISM_INVALID:          "see what there is with: softcsp mechanism list",
	ck.CKR_TOKEN_NOT_RECOGNIZED:       "that is no token file, or needs a newer softcsp; see what is wrong with: softcsp token check",
	ck.CKR_USER_NOT_LOGGED_IN:         "this needs the user PIN: --pin-file, --pin-fd or --pin-env",
	ck.CKR_SESSION_COUNT:              "max_sessions of the configuration is reached",
	ck.CKR_MECHANISM_PARAM_INVALID:    "the provider has no such algorithm or hash; see: softcsp key derive --help",
	ck.CKR_DATA_LEN_RANGE:             "without padding the file must be whole blocks long",
	ck.CKR_KEY_UNEXTRACTABLE:          "the key does not leave the token",
	ck.CKR_PIN_INCORRECT:              "wrong PIN",
	ck.CKR_ARGUMENTS_BAD:              "see which settings are in force with: softcsp where",
}

// explain says what was tried, what went wrong, and what to do about it.
func explain(tried string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w\nsee which directory is in force with: softcsp where", tried, err)
	}
	if hint := hints[ck.Code(err)]; hint != "" {
		return fmt.Errorf("%s: %w\n%s", tried, err, hint)
	}
	return fmt.Errorf("%s: %w", tried, err)
}

// The hints of some work come before the general ones.
var (
	useHints = map[ck.RV]string{
		ck.CKR_KEY_TYPE_INCONSISTENT:   "the key is of another type than the mechanism is for; without --mechanism the usual one of its type is taken",
		ck.CKR_MECHANISM_INVALID:       "the mechanism does not do this, or a policy or the key's CKA_ALLOWED_MECHANISMS forbids it; see: softcsp mechanism list",
		ck.CKR_MECHANISM_PARAM_INVALID: "the mechanism does not take these values of its flags",
		ck.CKR_DATA_LEN_RANGE:          "the mechanism takes data of another length: a digest, whole blocks, or no more than the key is long",
		ck.CKR_HOST_MEMORY:             "the mechanism takes the data in one piece, of 1 GiB at most; one that hashes takes any length: --hash",
	}
	changeHints = map[ck.RV]string{
		ck.CKR_ATTRIBUTE_READ_ONLY:     "the attribute does not change, or not in this direction, or only the security officer sets it (--so)",
		ck.CKR_ACTION_PROHIBITED:       "the object says so itself: its CKA_MODIFIABLE, CKA_COPYABLE or CKA_DESTROYABLE is false",
		ck.CKR_ATTRIBUTE_VALUE_INVALID: "the attribute has no such value",
		ck.CKR_ATTRIBUTE_TYPE_INVALID:  "objects of this class have no such attribute",
		ck.CKR_TEMPLATE_INCONSISTENT:   "the attributes contradict each other, or those that the object has",
	}
	wrapHints = map[ck.RV]string{
		ck.CKR_KEY_UNEXTRACTABLE:              "the key does not leave the token, not even wrapped: its CKA_EXTRACTABLE is false, which cannot be changed\nmove it with its token: softcsp token backup",
		ck.CKR_KEY_NOT_WRAPPABLE:              "this token keeps keys apart, and the mechanism does not keep a sensitive key secret from who may wrap and unwrap: use " + sealing,
		ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT: "the mechanism does not wrap with a key of this type; without --mechanism the usual one of its type is taken",
		ck.CKR_KEY_FUNCTION_NOT_PERMITTED:     "this token keeps keys apart: what wraps sensitive keys has never done anything else, and was never extractable; make a key for wrapping alone",
		ck.CKR_KEY_SIZE_RANGE:                 "the key is too long for the mechanism and the wrapping key; CKM_RSA_AES_KEY_WRAP wraps keys of any length with RSA",
	}
	unwrapHints = map[ck.RV]string{
		ck.CKR_WRAPPED_KEY_INVALID:              "the file was not wrapped by this key and mechanism, or what is in it is no key of this --type",
		ck.CKR_WRAPPED_KEY_LEN_RANGE:            "the file was not wrapped by this key and mechanism, or what is in it is no key of this --type",
		ck.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT: "the mechanism does not unwrap with a key of this type; without --mechanism the usual one of its type is taken",
		ck.CKR_KEY_FUNCTION_NOT_PERMITTED:       "this token keeps keys apart: a key that has encrypted, decrypted or signed does not unwrap sensitive keys",
		ck.CKR_TEMPLATE_INCONSISTENT:            "this token keeps keys apart: it has a key with the same value already, and an unwrapped key may do no more than that one; see --usage and --extractable",
		ck.CKR_TEMPLATE_INCOMPLETE:              "the mechanism does not tell how long the key is: say so, as in --type aes:256",
	}
)

// sealing are the mechanisms that wrap in tokens whose keys are kept apart.
const sealing = "CKM_AES_KEY_WRAP and its relatives, CKM_RSA_PKCS_OAEP, CKM_RSA_AES_KEY_WRAP and CKM_ECDH_AES_KEY_WRAP"

// explainBy is explain with hints that come before the general ones.
func explainBy(table map[ck.RV]string, tried string, err error) error {
	if hint := table[ck.Code(err)]; hint != "" {
		return fmt.Errorf("%s: %w\n%s", tried, err, hint)
	}
	return explain(tried, err)
}

// explainUse says what went wrong with a mechanism. An error without a code of the token's, of a file say, explains itself.
func explainUse(doing string, m ck.MechanismType, err error) error {
	if ck.Code(err) == ck.CKR_GENERAL_ERROR {
		return err
	}
	return explainBy(useHints, fmt.Sprintf("%s with %v", doing, m), err)
}

// explainChange says why attributes cannot be what was asked for.
func explainChange(tried string, err error) error { return explainBy(changeHints, tried, err) }

// plainly puts the name of a return value with which an error begins behind what is wrong, which says it in words.
func plainly(err error) string {
	text, code := err.Error(), ck.Code(err).Error()
	said, begins := strings.CutPrefix(text, code+": ")
	if !begins {
		return text
	}
	said, hint, more := strings.Cut(said, "\n")
	said += " (" + code + ")"
	if more {
		said += "\n" + hint
	}
	return said
}

// errorOf returns an error that names a file, once.
func errorOf(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}
