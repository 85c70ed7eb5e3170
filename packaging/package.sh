#!/bin/sh
# Makes the packages of one kind and architecture of what is built: package.sh deb|rpm amd64|arm64, as `make deb` and `make rpm`
# call it. They are in build/packages then. All that differs between two builds of the same sources is left out: times are
# $SOURCE_DATE_EPOCH, owners are root, and no host is named.
set -eu

kind=$1
arch=$2
: "${VERSION:?}" "${PACKAGE_RELEASE:?}" "${NFPM:?}" "${SOURCE_DATE_EPOCH:?}"
maintainer='The softcsp authors <softcsp@users.noreply.github.com>'
case $arch in
amd64) multiarch=x86_64-linux-gnu ;;
arm64) multiarch=aarch64-linux-gnu ;;
*) echo "package: there is no architecture $arch" >&2 && exit 2 ;;
esac
built=build
[ "$arch" = "$(go env GOHOSTARCH)" ] || built=build/$arch
case $kind in
deb) libdir=/usr/lib/$multiarch zshdir=/usr/share/zsh/vendor-completions names='softcsp libsoftcsp-dev' licences=copyright ;;
rpm) libdir=/usr/lib64 zshdir=/usr/share/zsh/site-functions names='softcsp softcsp-devel' licences=licences ;;
*) echo "package: there is no kind $kind" >&2 && exit 2 ;;
esac

stage=build/packages/stage/$kind-$arch
rm -rf "$stage"
umask 022
${MAKE:-make} -s install DESTDIR="$PWD/$stage" PREFIX=/usr BUILT="$built" LIBDIR="$libdir" MODULEDIR="$libdir/pkcs11" ZSHDIR="$zshdir"
gzip -9n "$stage"/usr/share/man/man1/*

for name in $names; do
	doc=$stage/usr/share/doc/$name
	mkdir -p "$doc"
	go run ./internal/release "$licences" LICENSE "$built/softcsp" "$built/libsoftcsp.so" > "$doc/copyright"
	gzip -9nc CHANGELOG.md > "$doc/changelog.gz"
	if [ "$kind" = deb ]; then
		go run ./internal/release changelog "$name" "$VERSION-$PACKAGE_RELEASE" "$maintainer" | gzip -9n > "$doc/changelog.Debian.gz"
	fi
done
mkdir "$stage/usr/share/doc/softcsp/docs"
install -m 644 README.md "$stage/usr/share/doc/softcsp"
install -m 644 docs/*.md docs/*.svg "$stage/usr/share/doc/softcsp/docs"
mkdir -p "$stage/usr/share/lintian/overrides"
install -m 644 packaging/softcsp.lintian-overrides "$stage/usr/share/lintian/overrides/softcsp"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# The newest version of a symbol of the C library that the library needs is the C library that the package needs.
glibc=$(readelf -W --dyn-syms "$built/libsoftcsp.so" | grep -o '@GLIBC_[0-9.]*' | sort -Vu | tail -n 1 | cut -d _ -f 2)
for name in $names; do
	config=$stage.$name.yaml
	template=packaging/softcsp.yaml.in
	[ "$name" = softcsp ] || template=packaging/softcsp-dev.yaml.in
	sed -e "s|@NAME@|$name|g" -e "s|@ARCH@|$arch|g" -e "s|@VERSION@|$VERSION|g" -e "s|@RELEASE@|$PACKAGE_RELEASE|g" -e "s|@MAINTAINER@|$maintainer|g" \
		-e "s|@GLIBC@|$glibc|g" -e "s|@STAGE@|$stage|g" -e "s|@LIBDIR@|$libdir|g" -e "s|@ZSHDIR@|$zshdir|g" "$template" > "$config"
	GOEXPERIMENT='' go run "$NFPM" package --config "$config" --packager "$kind" --target build/packages/
done
