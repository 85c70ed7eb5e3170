#!/bin/sh
# Puts together what a release consists of, in build/release: release.sh ARCHITECTURE..., as `make release` calls it. The packages
# have been made. The same sources give the same bytes, wherever they are built with the same Go and the same C compiler.
set -eu

: "${VERSION:?}" "${SOURCE_DATE_EPOCH:?}" "${PACKAGE_RELEASE:?}"
out=build/release
rm -rf "$out"
mkdir -p "$out"
umask 022
programs=
for arch in "$@"; do
	built=build
	[ "$arch" = "$(go env GOHOSTARCH)" ] || built=build/$arch
	programs="$programs $built/softcsp $built/libsoftcsp.so"
	name=softcsp-$VERSION-linux-$arch
	stage=build/release-stage/$name
	rm -rf "$stage"
	mkdir -p "$stage"
	${MAKE:-make} -s install DESTDIR="$PWD/$stage/root" PREFIX=/usr/local BUILT="$built"
	mv "$stage"/root/usr/local/* "$stage"
	rm -r "$stage/root"
	mkdir -p "$stage/share/doc/softcsp/docs"
	go run ./internal/release licences LICENSE "$built/softcsp" "$built/libsoftcsp.so" > "$stage/share/doc/softcsp/copyright"
	install -m 644 README.md CHANGELOG.md "$stage/share/doc/softcsp"
	install -m 644 docs/*.md docs/*.svg "$stage/share/doc/softcsp/docs"
	tar --create --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "${stage%/*}" "$name" | gzip -9n > "$out/$name.tar.gz"
done
cp build/packages/*"$VERSION-$PACKAGE_RELEASE"*.deb build/packages/*"$VERSION-$PACKAGE_RELEASE"*.rpm "$out"
# shellcheck disable=SC2086 # a list of files
go run ./internal/release sbom "$VERSION" $programs > "$out/softcsp-$VERSION.spdx.json"
(cd "$out" && sha256sum -- * > ../SHA256SUMS && mv ../SHA256SUMS .)
rm -rf build/release-stage
cat "$out/SHA256SUMS"
