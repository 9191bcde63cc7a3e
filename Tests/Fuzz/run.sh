#!/bin/sh
# Fuzzes the parsers that strangers reach, with libFuzzer and AddressSanitizer.
#   Tests/Fuzz/run.sh [seconds a parser, default 60] [parser …]
# New inputs that reach new code are kept in corpus/<parser>; a crash leaves crash-* here and fails.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- tobj ftp-line
build=.build-fuzz
mkdir -p "$build"

compile() { # compile MODULE SOURCES… : the module and its object file
    module=$1
    shift
    swiftc -O -g -parse-as-library -swift-version 6 -package-name ffs -module-name "$module" -sanitize=fuzzer,address \
        -wmo -emit-module -emit-module-path "$build/$module.swiftmodule" -emit-object -o "$build/$module.o" -I "$build" "$@"
}

compile FFSModel Sources/Model/FFSModel/*.swift
# shellcheck disable=SC2046 # source paths of this project hold no white space
compile Tobj $(find Sources/Protocols/Tobj -name '*.swift')
# shellcheck disable=SC2046
compile FTPProtocol $(find Sources/Protocols/FTPProtocol -name '*.swift')

for parser in "$@"; do
    swiftc -O -g -parse-as-library -swift-version 6 -package-name ffs -module-name Fuzz -sanitize=fuzzer,address -I "$build" \
        "Tests/Fuzz/$parser.swift" "$build/FFSModel.o" "$build/Tobj.o" "$build/FTPProtocol.o" -o "$build/$parser"
    echo "== $parser, $seconds s"
    mkdir -p "$build/corpus-$parser"
    "$build/$parser" -max_total_time="$seconds" -max_len=4300 -timeout=2 -print_final_stats=1 \
        -artifact_prefix="Tests/Fuzz/crash-$parser-" "$build/corpus-$parser" "Tests/Fuzz/corpus/$parser"
    "$build/$parser" -merge=1 "Tests/Fuzz/corpus/$parser" "$build/corpus-$parser" 2>/dev/null
done
