#!/bin/sh
# Makes a container image of what is built: image.sh amd64|arm64, as `make image` calls it. It is in build/image then, as an archive
# that podman, docker and skopeo load. The C library is the one of this machine, which the library is built against.
set -eu

arch=$1
: "${VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
case $arch in
amd64) multiarch=x86_64-linux-gnu loader=/lib64/ld-linux-x86-64.so.2 ;;
arm64) multiarch=aarch64-linux-gnu loader=/lib/ld-linux-aarch64.so.1 ;;
*) echo "image: there is no architecture $arch" >&2 && exit 2 ;;
esac
built=build from='' libc=/lib/$multiarch/libc.so.6
if [ "$arch" != "$(go env GOHOSTARCH)" ]; then # the C library of the cross compiler
	built=build/$arch from=/usr/$multiarch libc=/usr/$multiarch/lib/libc.so.6
fi

files=build/image/files-$arch
root=$files/system
rm -rf "$files"
umask 022
mkdir -p "$root/etc" "$root/usr/bin" "$root/usr/lib/$multiarch/pkcs11" "$root/usr/share/doc/softcsp" "$root$(dirname "$loader")" "$root/lib/$multiarch"
install -m 755 "$built/softcsp" "$root/usr/bin/softcsp"
install -m 644 "$built/libsoftcsp.so" "$root/usr/lib/$multiarch/pkcs11/libsoftcsp.so"
ln -s pkcs11/libsoftcsp.so "$root/usr/lib/$multiarch/libsoftcsp.so"
install -m 755 "$from$loader" "$root$loader"
install -m 755 "$libc" "$root/lib/$multiarch/libc.so.6"
printf 'root:x:0:0::/:/sbin/nologin\nsoftcsp:x:65532:65532::/home/softcsp:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nsoftcsp:x:65532:\n' > "$root/etc/group"
go run ./internal/release licences LICENSE "$built/softcsp" "$built/libsoftcsp.so" > "$root/usr/share/doc/softcsp/copyright"
install -m 644 /usr/share/doc/libc6/copyright "$root/usr/share/doc/softcsp/copyright.libc6"
install -d -m 700 "$files/home/softcsp"
install -d -m 1777 "$files/tmp/tmp"

archive=build/image/softcsp-$VERSION-$arch.tar
rm -f "$archive"
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT
tool() { buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"; }
tool build --isolation chroot --format oci --arch "$arch" --timestamp "$SOURCE_DATE_EPOCH" --quiet --tag "softcsp:$VERSION" \
	--label org.opencontainers.image.title=softcsp --label "org.opencontainers.image.version=$VERSION" \
	--label org.opencontainers.image.licenses=MIT --label org.opencontainers.image.source=https://github.com/softcsp/softcsp \
	--file packaging/Containerfile "$files" > /dev/null
tool push --quiet "softcsp:$VERSION" "oci:$store/image:softcsp:$VERSION"
tar --create --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C "$store/image" . > "$archive"
echo "created image: $archive"
