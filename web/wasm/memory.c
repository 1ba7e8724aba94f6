/* malloc, calloc and free for the WebAssembly build: a list of free blocks, in the order of their addresses. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

typedef struct block {
    size_t size; /* with this header */
    struct block *next;
} block;

extern unsigned char __heap_base;
static block *first_free;
static uintptr_t end;

enum { HEADER = 16, PAGE = 65536 };

static block *grow(size_t size) {
    if (!end)
        end = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    const size_t have = (size_t)__builtin_wasm_memory_size(0) * PAGE;
    if (size > (size_t)0xffff0000u - end)
        return NULL;
    if (end + size > have) {
        const size_t pages = (end + size - have + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
            return NULL;
    }
    block *made = (block *)end;
    made->size = size;
    end += size;
    return made;
}

EXPORT("malloc") void *malloc(size_t size) {
    if (size > 0xfffe0000u)
        return NULL;
    size = (size + HEADER + 15) & ~(size_t)15;
    for (block **at = &first_free; *at; at = &(*at)->next) {
        block *found = *at;
        if (found->size < size)
            continue;
        if (found->size - size >= 64) {
            block *rest = (block *)((uintptr_t)found + size);
            rest->size = found->size - size;
            rest->next = found->next;
            *at = rest;
            found->size = size;
        } else
            *at = found->next;
        return (void *)((uintptr_t)found + HEADER);
    }
    block *made = grow(size);
    return made ? (void *)((uintptr_t)made + HEADER) : NULL;
}

EXPORT("free") void free(void *pointer) {
    if (!pointer)
        return;
    block *freed = (block *)((uintptr_t)pointer - HEADER);
    block **at = &first_free;
    block *before = NULL;
    while (*at && *at < freed) {
        before = *at;
        at = &(*at)->next;
    }
    freed->next = *at;
    *at = freed;
    if (freed->next && (uintptr_t)freed + freed->size == (uintptr_t)freed->next) {
        freed->size += freed->next->size;
        freed->next = freed->next->next;
    }
    if (before && (uintptr_t)before + before->size == (uintptr_t)freed) {
        before->size += freed->size;
        before->next = freed->next;
    }
}

void *calloc(size_t count, size_t size) {
    void *made = size && count > 0xfffe0000u / size ? NULL : malloc(count * size);
    return made ? memset(made, 0, count * size) : NULL;
}
