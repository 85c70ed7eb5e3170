#!/bin/sh
# Writes changed copies of files of the Go runtime, and of one more package, and the list of them for `go build -overlay`:
# overlay.sh DIR. The library is a guest in programs that know nothing of a runtime, and each change is one that no setting makes.
# Each is made from the toolchain's own file, and what does not fit that file any more fails.
set -eu

dir=$1
source=$(go env GOROOT)/src
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
list=

change() { # change FILE LINES SED-SCRIPT: the script changes, adds or removes so many lines
	copy=$dir/$(echo "$1" | tr / -)
	sed -E "$3" "$source/$1" > "$copy"
	n=$(diff "$source/$1" "$copy" | grep -c '^>') || true
	if [ "$n" != "$2" ]; then
		echo "overlay: $1 of $(go version) has changed: $n lines where $2 should be" >&2
		exit 1
	fi
	list="$list${list:+,}\"$source/$1\":\"$copy\""
}

# The runtime unblocks these in its own threads, and in the host's threads during calls. They are the host's to block and to
# take: SIGSTKFLT, which nothing raises, SIGCHLD, SIGPROF, and SIGRTMIN, which is musl's. What faults stays unblocked.
change runtime/sigtab_linux_generic.go 4 '/^\t\/\* (16|17|27|34) \*\//s/ ?\+ _SigUnblock//'

# Timers and files start the network poller: two descriptors, which hosts close, and system calls that are refused by some.
# There is no network here. Timers are then looked after by the runtime's own thread, as they were before Go 1.26: with nobody
# in the poller, no other would when all threads are idle.
change runtime/proc.go 1 '/^func sysmon/,/^}/s/^\t\t\/\/ retake P.s blocked in syscalls$/\t\tif timeSleepUntil() < now { startm(nil, false, false) }/'
change runtime/netpoll.go 2 '/^func netpollGenericInit/,/^}/s/^\tif netpollInited.Load\(\) == 0 \{/\tif false {/
/^func poll_runtime_pollOpen/,/^}/s/errno := netpollopen\(fd, pd\)/errno := int32(1) \/\/ EPERM, as for a regular file/'

# What ends in a fatal error prints memory, and what functions were called with, in which keys may lie. GOTRACEBACK=none holds
# for errors of the runtime itself, too.
change runtime/hexdump.go 1 '/^func hexdumpWords/,/^}/s/^\tprintlock\(\)$/\tif true {return}; printlock()/'
change runtime/runtime1.go 1 '/^func gotraceback/,/^}/s/^\t\tlevel = 2$/\t\tlevel = int32(t >> tracebackShift)/'

# A handler of the host's that interrupts Go in the host's thread runs on the goroutine's stack, unless the host asked for another.
# So there is room for it below each stack: 120 kB, which Go does not know of. It neither grows into them nor erases them
# with a secret.
change runtime/stack.go 5 '/^func stackalloc/,/^}/{
s/^\tif n < fixedStack.*\{$/\tif false {/
s/npage := uintptr\(n\) >> gc.PageShift/npage := (uintptr(n) + 120<<10 + 1<<gc.PageShift - 1) >> gc.PageShift/
s/^\t\tif !stackLarge.free\[log2npage\].isEmpty\(\)/& \&\& stackLarge.free[log2npage].first.npages == npage/
s/unsafe.Pointer\(s.base\(\)\)/unsafe.Pointer(s.base() + 120<<10)/
}
/^func stackfree/,/^}/s/^\tif n < fixedStack.*\{$/\tif false {/'

# What sets a thread's stack for handlers, or its mask, ends the process where it is refused, as a host may do that shuts itself in. A
# thread without them takes signals as it did: those of the runtime take none, and the host's are asked before they call (signals.c).
for arch in amd64 arm64; do
	change runtime/sys_linux_$arch.s 2 '/^TEXT runtime·(rtsigprocmask|sigaltstack)\(/,/^\tRET/s/^\tMOV[LD]\t.*\/\/ crash$/\tRET/'
done
change runtime/signal_unix.go 1 '/^func minitSignalStack/,/^}/s/^\tvar st stackt$/\tst := stackt{ss_flags: _SS_DISABLE}/'

# Without getrandom random bytes come from /dev/urandom, which would stay open: a host closes descriptors, and opens others with their
# numbers, from which keys would be made. So it is opened for each use; also where a host's filter of system calls answers EPERM.
change crypto/internal/sysrand/rand.go 2 '/^func urandomRead/,/^}/{
s/^\turandomOnce\.Do\(func\(\) \{$/\turandomFile, urandomErr := (*os.File)(nil), error(nil); func() {/
s/^\t\}\)$/\t}(); defer urandomFile.Close()/
}'
change crypto/internal/sysrand/rand_getrandom.go 1 's/^\t\tif errors\.Is\(err, syscall\.ENOSYS\) \{$/\t\tif errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM) {/'

printf '{"Replace":{%s}}\n' "$list" > "$dir/overlay.json"
