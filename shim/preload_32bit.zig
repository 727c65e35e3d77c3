//! libbtfuse_preload_32bit.so: what 32-bit programs load where 64-bit ones load libbtfuse_preload.so (see
//! src/cli/library_place.ts). It does nothing: without it their dynamic linker would say on standard error that the
//! other library is not for them.

export fn btfuse_32bit() void {}
