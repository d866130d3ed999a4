#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the program that is executed is one for x86-64"
#endif

/* An executable that needs nothing but the kernel. */
static const struct {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    unsigned char code[45];
} __attribute__((packed)) executable = {
    { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
              EV_CURRENT },
            .e_type = ET_EXEC,
            .e_machine = EM_X86_64,
            .e_version = EV_CURRENT,
            .e_entry = 0x400078,
            .e_phoff = 64,
            .e_ehsize = 64,
            .e_phentsize = 56,
            .e_phnum = 1,
            .e_shentsize = 64 },
    { .p_type = PT_LOAD,
            .p_flags = PF_R | PF_X,
            .p_vaddr = 0x400000,
            .p_paddr = 0x400000,
            .p_filesz = 165,
            .p_memsz = 165,
            .p_align = 4096 },
    { /* push(geteuid()); push(getegid()) */
            0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x50, 0xb8, 108, 0, 0, 0,
            0x0f, 0x05, 0x50,
            /* write(1, stack, 16) */
            0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x89, 0xe6, 0xba,
            16, 0, 0, 0, 0x0f, 0x05,
            /* exit(0) */
            0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 }
};

static long write_program(const char *path)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    long count;

    if (fd == -1)
        return -1;
    count = write(fd, &executable, sizeof(executable));
    close(fd);
    return count;
}
