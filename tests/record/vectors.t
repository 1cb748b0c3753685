#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
exec "$(dirname "$0")/../record-test" vectors 0.3 --cpu +avx2
