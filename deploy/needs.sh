#!/bin/sh
# Makes sure that the Debian packages of the named sets are there: build, test,
# interop, python, fuzz, bench. Installs what is missing where it may (root, or sudo without a
# password); elsewhere it says what is needed and fails.
set -eu

build="gcc libc6-dev make pkg-config protobuf-c-compiler libprotobuf-c-dev liburing-dev
	libnghttp2-dev libmicrohttpd-dev libcurl4-openssl-dev libcyaml-dev libyaml-dev libjansson-dev
	libssl-dev libsystemd-dev zlib1g-dev libdeflate-dev
	libzstd-dev libpcre2-dev"
test="python3-dev g++ clang gcc-multilib musl-tools libcmocka-dev protobuf-compiler python3
	curl iproute2 python3-grpcio python3-prometheus-client python3-protobuf spin openssl nghttp2-server"
interop="python3-venv python3-grpcio python3-protobuf"
python="python3-dev python3-pip python3-venv python3-setuptools python3-wheel"
fuzz="clang libcmocka-dev"
bench="liblttng-ust-dev lttng-tools strace"

packages=
for set in "$@"; do
	case $set in
	build) packages="$packages $build" ;;
	test) packages="$packages $test" ;;
	interop) packages="$packages $interop" ;;
	python) packages="$packages $python" ;;
	fuzz) packages="$packages $fuzz" ;;
	bench) packages="$packages $bench" ;;
	*)
		echo "needs.sh: no set of packages is called '$set'" >&2
		exit 2
		;;
	esac
done

installed() {
	dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

tell() {
	echo "spanring needs these packages (names of Debian 12):" >&2
	echo "  $*" | tr -s ' \t\n' ' ' | fold -s -w 76 | sed 's/^/  /' >&2
	echo >&2
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	# Another distribution: whoever has the tools and libraries may go on.
	if command -v protoc-c >/dev/null && pkg-config --exists liburing libprotobuf-c \
		libnghttp2 libmicrohttpd libcurl libcyaml yaml-0.1 jansson openssl zlib libdeflate libzstd libpcre2-8 2>/dev/null; then
		exit 0
	fi
	tell "$packages"
	exit 1
fi

missing=
for package in $packages; do
	installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	else
		tell "$missing"
		echo "  apt-get install$missing" >&2
		exit 1
	fi
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
