# What a packager may want to change; every variable can also be given on
# the command line: make CC=clang BUILD=build-clang

CC ?= cc
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BUILD ?= build

VERSION = 0.1.0
SOVERSION = 0

# SANITIZE=address,undefined or SANITIZE=thread gives an instrumented build;
# use a BUILD directory of its own for it.
SANITIZE ?=

OPTIMIZE ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wwrite-strings \
	   -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
HARDENING ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong

# WERROR=-Werror is what the continuous integration uses.
WERROR ?=
