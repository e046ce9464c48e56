# SPDX-License-Identifier: Apache-2.0
"""Names that generated C cannot use, also where a program in C++ includes its header."""
from cpp.keywords import KEYWORDS as CPP
from cpp.keywords import MACROS as CPP_MACROS

KEYWORDS = CPP | frozenset("restrict _Bool _Complex _Imaginary _Alignas _Alignof _Atomic _Generic _Noreturn".split())
MACROS = CPP_MACROS

# Functions of the C library that begin like a module.
LIBRARY = frozenset("""
timer_create timer_delete timer_settime timer_gettime timer_getoverrun sem_open sem_close sem_post sem_wait sem_init
sem_destroy sem_getvalue sem_trywait sem_timedwait sem_unlink sem_clockwait mq_open mq_close mq_send mq_receive mq_notify
mq_getattr mq_setattr mq_unlink aio_read aio_write aio_error aio_return aio_suspend aio_cancel aio_fsync lio_listio
shm_open shm_unlink clock_gettime clock_settime clock_getres clock_nanosleep clock_getcpuclockid memfd_create
epoll_create epoll_ctl epoll_wait epoll_pwait inotify_init inotify_add_watch inotify_rm_watch posix_memalign
posix_fallocate posix_fadvise posix_spawn iconv_open iconv_close if_nametoindex if_indextoname if_nameindex
catopen catclose dl_iterate_phdr res_init res_query res_search thrd_create thrd_join mtx_init mtx_lock mtx_unlock
mtx_destroy cnd_init cnd_wait cnd_signal cnd_broadcast cnd_destroy tss_create tss_get tss_set tss_delete
sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler atomic_load atomic_store
""".split())

# Headers that a generated one would hide.
HEADERS = frozenset("""
aio assert complex cpio ctype dirent dlfcn errno fcntl fenv float fmtmsg fnmatch ftw getopt glob grp iconv inttypes iso646
langinfo libgen limits locale malloc math memory monetary mqueue ndbm netdb nl_types poll pthread pwd regex resolv sched
search semaphore setjmp signal spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string
strings stropts syslog tar termios tgmath threads time trace typed uchar ulimit unistd utime utmpx wait wchar wctype
wordexp backplane base cbor embedding events ext flow interfaces log operations options plugin
""".split())
