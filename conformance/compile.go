package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// compiler is the C compiler of the programs that load the module: $MODULE_CC, gcc, or whatever cc is.
func compiler() string {
	if cc := os.Getenv("MODULE_CC"); cc != "" {
		return cc
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return "cc"
	}
	return "gcc"
}

// warnings are those of the compiler. The tests make errors of them; another compiler may warn of something else.
var warnings = []string{"-Wall", "-Wextra"}

// compile compiles a C program of ours.
func compile(prog, source string, args ...string) error {
	file := prog
	if emulator() != "" {
		file += ".foreign"
	}
	args = append(append(args, warnings...), "-O1", "-g", "-o", file, source, "-lpthread", "-ldl")
	if out, err := exec.Command(compiler(), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", compiler(), source, err, out)
	}
	if file == prog {
		return nil
	}
	return emulate(prog, file)
}

// emulator is the command that runs these programs where the module is for another processor: $MODULE_EMULATOR, or "".
func emulator() string { return os.Getenv("MODULE_EMULATOR") }

// emulate makes prog a command that runs the program in file, which is for another processor.
func emulate(prog, file string) error {
	return writeProgram(prog, fmt.Appendf(nil, "#!/bin/sh\nexec %s '%s' \"$@\"\n", emulator(), file), 0o755)
}

// writeProgram writes a file that is run. No process begins meanwhile: it would have the file open for writing until it runs a program of
// its own, and the kernel does not run what is open for writing.
func writeProgram(path string, content []byte, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, mode)
}
