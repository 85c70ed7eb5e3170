// Package clients runs programs that use PKCS #11 modules, as people use them: each script here starts the real program on loopback with a
// token, does its everyday work, and has another program check what came of it.
//
// A script is a txtar archive for testscript (github.com/rogpeppe/go-internal). It begins with a header of comments:
//
//	# title: nginx
//	# programs: nginx curl openssl pkcs11-tool
//	# packages: nginx-light curl openssl libengine-pkcs11-openssl opensc
//	# size: big
//	# checked: curl
//	#
//	# What a reader of docs/clients.md has to know, in as many lines as it takes.
//
// The programs must be there: the packages of Debian are what to install; "backports" names those that Debian 12 has, or has new enough, in its backports. Scripts whose size is small run in every go test, those that
// are big by make clients. "checked" names the programs that look at the result, which are not the one whose section it is. "softhsm" says
// why the script fails with SoftHSM2, where it does; it has to. "only" names a module where the script is about it alone. "limit" is how long a script may take
// that builds something large, where the machine has not built it before.
//
// The files of the archive are what people paste, and are shown in docs/clients.md; those in check/ and files/ are not. What is in the script itself is
// how the test drives them. A file whose name ends in .sh is run by "sh -eu"; its last program replaces the shell by exec where the test is to end it,
// which the document leaves out. They find these variables:
//
//	MODULE  the library
//	PORT    a port of this machine that nobody listens at, and PORT2 another one
//
// and a token "demo" with the user PIN 123456 and the SO PIN 87654321. Commands of scripts beside those of testscript:
//
//	listening PORT   waits until somebody does
//	share USER       gives the directory of the test to a user, where root runs it
//
// docs/clients.md is written by go test ./conformance/clients -run Page -update.
package clients
