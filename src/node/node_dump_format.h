/* The numbers of the servers' snapshot format (version 10, of redis-server 7.0), for its writer and
 * its reader. */
#ifndef NODE_NODE_DUMP_FORMAT_H
#define NODE_NODE_DUMP_FORMAT_H

#define DUMP_VERSION 10
#define DUMP_FOOTER_BYTES 10 /* version, CRC64 */

enum {
    DUMP_TYPE_STRING = 0,
    DUMP_TYPE_LIST = 1,
    DUMP_TYPE_SET = 2,
    DUMP_TYPE_HASH = 4,
    DUMP_TYPE_ZSET = 5,
    DUMP_TYPE_INTSET = 11,
    DUMP_TYPE_HASH_LISTPACK = 16,
    DUMP_TYPE_ZSET_LISTPACK = 17,
    DUMP_TYPE_QUICKLIST = 18
};

/* The first byte of a length says in its two top bits how long the length is, or that an encoded
 * value follows; its six low bits begin the length or name the encoding. */
enum { LENGTH_6 = 0, LENGTH_14 = 1, LENGTH_MORE = 2, LENGTH_ENCODED = 3 };
enum { LENGTH_BYTE_32 = 0x80, LENGTH_BYTE_64 = 0x81 };
enum { ENCODED_INT8 = 0, ENCODED_INT16 = 1, ENCODED_INT32 = 2, ENCODED_LZF = 3 };

/* A node of a quicklist: one element as it is, or a listpack. */
enum { QUICKLIST_PLAIN = 1, QUICKLIST_PACKED = 2 };

/* An intset: the width of its integers, their number, and these, all little-endian. */
#define INTSET_HEAD_BYTES 8

#endif
