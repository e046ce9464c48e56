# SPDX-License-Identifier: Apache-2.0
"""Names that generated C++ cannot use."""

KEYWORDS = frozenset("""
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept
const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double
dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept
not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof
static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union
unsigned using virtual void volatile wchar_t while xor xor_eq
""".split())

# Macros of the headers that a client includes.
MACROS = frozenset("""
assert errno stdin stdout stderr EOF NULL linux unix major minor makedev BUFSIZ RAND_MAX EXIT_SUCCESS EXIT_FAILURE
SEEK_SET SEEK_CUR SEEK_END SIGABRT SIGINT SIGTERM CLOCKS_PER_SEC HUGE_VAL NAN INFINITY
""".split())

# What a global namespace cannot be called: namespaces of others, and functions and types of the C library.
GLOBAL = frozenset("""
std boost backplane abi abort abs accept access acos alarm asctime asin atan atan2 atexit atof atoi atol bind bsearch
calloc ceil chdir chmod chown clearerr clock clone close connect cos cosh creat ctime daylight difftime div dup environ
erf exit exp fabs fclose feof ferror fflush fgetc fgets floor fma fmax fmin fmod fopen fork fprintf fputc fputs fread free
freopen frexp fscanf fseek fsync ftell ftruncate fwrite gamma getc getchar getenv getopt gets gmtime hypot index int8_t
int16_t int32_t int64_t ioctl isalnum isalpha isatty j0 j1 jn kill labs ldexp ldiv link listen localeconv localtime
lockf log log10 log2 logb longjmp lseek malloc mblen memchr memcmp memcpy memmove memset mktime modf nan nice open optarg
pause pclose perror pipe poll popen pow printf putc putchar puts qsort raise rand random read realloc recv remainder
remove rename rewind rindex rint rmdir round scanf select send setenv setjmp shutdown signal sigaction signgam sin sinh size_t
sleep socket sprintf sqrt srand sscanf stat strcat strchr strcmp strcpy strlen swab symlink sync system tan tanh time
timespec timezone tm tmpfile tmpnam trunc truncate ttyname tzname ungetc unlink usleep utime uname vprintf wait write y0 y1
yn
""".split())

HELPERS = frozenset("client INTERFACE_HASH INTERFACE_CDDL MODULE_VERSION MODULE_NAME".split())
# Members of boost::describe and of every class.
CLIENT = frozenset()
