/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/format/chunker.h"

/* Normalization of level 2 (FastCDC, section 3.5): two bits more than the average asks for before it is reached,
 * and two fewer afterwards. The bits are the uppermost ones, which the most bytes have gone into. */
#define AVERAGE_BITS 17
#define MASK(bits) (UINT64_MAX << (64 - (bits)))
#define MASK_BEFORE MASK(AVERAGE_BITS + 2)
#define MASK_AFTER MASK(AVERAGE_BITS - 2)

static_assert(CHUNK_AVERAGE == 1U << AVERAGE_BITS, "the masks follow the average");

/* The first 256 numbers of splitmix64 with the seed 0 (S. Vigna, public domain). Part of the format: another table
 * would find other boundaries, and nothing that is stored already. */
static const uint64_t gear[256] = {
        0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec,
        0x1b39896a51a8749b, 0x53cb9f0c747ea2ea, 0x2c829abe1f4532e1, 0xc584133ac916ab3c,
        0x3ee5789041c98ac3, 0xf3b8488c368cb0a6, 0x657eecdd3cb13d09, 0xc2d326e0055bdef6,
        0x8621a03fe0bbdb7b, 0x8e1f7555983aa92f, 0xb54e0f1600cc4d19, 0x84bb3f97971d80ab,
        0x7d29825c75521255, 0xc3cf17102b7f7f86, 0x3466e9a083914f64, 0xd81a8d2b5a4485ac,
        0xdb01602b100b9ed7, 0xa9038a921825f10d, 0xedf5f1d90dca2f6a, 0x54496ad67bd2634c,
        0xdd7c01d4f5407269, 0x935e82f1db4c4f7b, 0x69b82ebc92233300, 0x40d29eb57de1d510,
        0xa2f09dabb45c6316, 0xee521d7a0f4d3872, 0xf16952ee72f3454f, 0x377d35dea8e40225,
        0x0c7de8064963bab0, 0x05582d37111ac529, 0xd254741f599dc6f7, 0x69630f7593d108c3,
        0x417ef96181daa383, 0x3c3c41a3b43343a1, 0x6e19905dcbe531df, 0x4fa9fa7324851729,
        0x84eb4454a792922a, 0x134f7096918175ce, 0x07dc930b302278a8, 0x12c015a97019e937,
        0xcc06c31652ebf438, 0xecee65630a691e37, 0x3e84ecb1763e79ad, 0x690ed476743aae49,
        0x774615d7b1a1f2e1, 0x22b353f04f4f52da, 0xe3ddd86ba71a5eb1, 0xdf268adeb6513356,
        0x2098eb73d4367d77, 0x03d6845323ce3c71, 0xc952c5620043c714, 0x9b196bca844f1705,
        0x30260345dd9e0ec1, 0xcf448a5882bb9698, 0xf4a578dccbc87656, 0xbfdeaed9a17b3c8f,
        0xed79402d1d5c5d7b, 0x55f070ab1cbbf170, 0x3e00a34929a88f1d, 0xe255b237b8bb18fb,
        0x2a7b67af6c6ad50e, 0x466d5e7f3e46f143, 0x42375cb399a4fc72, 0x8c8a1f148a8bb259,
        0x32fcab5daed5bdfc, 0x9e60398c8d8553c0, 0xee89cceb8c4064c0, 0xdb0215941d86a66f,
        0x5ccde78203c367a8, 0xf1bcbc6a1ec11786, 0xef054fceee954551, 0xdf82012d0555c6df,
        0x292566ff72403c08, 0xc4dd302a1bfa1137, 0xd85f219db5c554e1, 0x6a27ff807441bcd2,
        0x96a573e9b48216e8, 0x46a9fdac40bf0048, 0x3dd12464a0ee15b4, 0x451e521296a7eea1,
        0x56e4398a98f8a0fd, 0x7b7dc2160e3335a7, 0xc679ee0bebcb1cca, 0x928d6f2d7453424e,
        0x1b38994205234c6d, 0x8086d193a6f2b568, 0x21c6e26639ac2c65, 0xd9dccac414d23c6f,
        0x91cd642057e00235, 0x77fc607dc6589373, 0x05b8abe26dd3aee7, 0x12f6436ac376cc66,
        0x64952424897b2307, 0xee8c2baf6343e5c3, 0xdc4c613d9eba2304, 0x3505b7796bd1a506,
        0x8176daf800a05f50, 0x8bd8ff7a0385cdbc, 0x1a764a3cd78101da, 0xbe4d15bf6ca266ac,
        0xa85e1f38bb2dc749, 0x56759a968493cd8c, 0xf3a9bce7336bd182, 0x365b15013741519b,
        0x1f7a44a6b109ac94, 0x3521d628813cb177, 0x6a77afab0f7c9370, 0x179642d8cde95015,
        0x5ef102a8fb354461, 0xf51c504764ed82f2, 0xc58427f041ce6808, 0xfad8fc45c9643c37,
        0xcf8682f9a70fa9c0, 0x7e1b3b75a4005729, 0x992dd867927b52d8, 0x7fbd5db142f6791f,
        0x370595aacab4adae, 0xb1392dbdc5ab61d6, 0x9fea7dfc79d452d9, 0x40b12b120085641c,
        0xa192afe3157c85d0, 0xc847729f4e08f3a3, 0x6f1384a306c41fc2, 0x12d05c4045a39c19,
        0x9899202fd20f0841, 0xe9c7191857e774b8, 0x4eead809af5b0cc3, 0xe809acafa23864a4,
        0x4da1edaba1d0f7bd, 0x846eb9673349f8e4, 0x87bae55b86039fe8, 0x7f367b8bd953eff2,
        0x3884700f650d04e1, 0xbfe4b2ab46980cad, 0xc5fc89075299106c, 0x37b2fa361adea7cd,
        0x7d75d813f04895b4, 0x702f5b393f62c0e0, 0x0a3fc775f4ecf37f, 0xe4b23787a352437f,
        0xf83fa245c34d6363, 0xb99bcf040786cf50, 0x38b6ea0a0e6c9d8a, 0x093fdc76776e37e1,
        0x1a75e6f76ba7eee8, 0x442cdcfee9660c62, 0x22d58d35116b5e0b, 0x87d4a5180f6a3645,
        0x589fb216bd82131b, 0x91d031cad319aec0, 0xabecf76a553d320b, 0xb8686cb347612dcf,
        0xfcab66337c0a77f5, 0xac318214381ec437, 0x6eb7f0fca24494ae, 0xcf42861dcdc895a9,
        0x4abad7a1586d7a91, 0xc21b318dc2f49745, 0xd49474dc2acbd1f0, 0xb1d4873747c1c8e1,
        0x5434dc8c7d015bf6, 0xe1c486287511b6a9, 0xa8616df62e89a193, 0x31ce6319498d8347,
        0xafd0b486123d6faa, 0xe6495f5d102301eb, 0x0dc51ced17a43c52, 0x8bcbcde81355ef2d,
        0x2412af73fdee7cfc, 0xc8d589e486e29eed, 0x23390e8664517f89, 0x251ade58e8a6849d,
        0xf8555dbd2e8f9cb0, 0xcb417c3eef54f7c3, 0x8028f8e1aac3a919, 0x10e31052acf748a0,
        0x2d886c073b1e1b78, 0x972974d90df9faee, 0xbc1b7b38796893ba, 0x1958ed432070e652,
        0xca5f297197a12dcc, 0xe025a27375704f28, 0x418010a570a924fb, 0x9828e2941bfc419c,
        0x4fbacd2f52b85c1f, 0x33dd5b756211cc67, 0x23c8dfdd1db57ff0, 0x32f81801a1a8e901,
        0x26884eac5ada36da, 0xcaa82f9bb42e37d4, 0x19fb1a7491d6a7d1, 0x5aa0243aa357f38e,
        0xb31d917809e447f0, 0x3f9c197225215be0, 0xdc3c315a1e33c095, 0x3dd399ad533e80ac,
        0x566f32cce8301d95, 0xc880188083d9ba21, 0xb9cc357f3b0e7d2e, 0x0237d2123a8a8d6c,
        0xbf636e9aa7cbf6bd, 0xd7bd4284c4e2a6a7, 0xda2ebb47d50577a9, 0x90ba1c11b539087d,
        0x44993d31552b4f57, 0x32c2d6f80a8a8898, 0x450583ed7fb54b19, 0xec2b0b09e50ef3ef,
        0xd918a0b6e2efd65c, 0xe37a868d9785f572, 0x7d1a6118f2b0f37a, 0x9e2e3cc13b343439,
        0xefd82c11212e37e8, 0xaf89c05cd4fc75ed, 0x55bc16bb9697108e, 0x6c4701fa5db69bee,
        0x9237338441daf445, 0x248cf0831e81a5fc, 0xacc13557e77de273, 0x520970c25e06513a,
        0x657329cb02987cab, 0xa9b0b3366a4e55a8, 0xc4d06ca2f39acdd4, 0x5dce37d68170cde1,
        0x5f1e44e77e1854c9, 0x6883d452d55df899, 0x05c5bd62f1067032, 0xe680b683ce60fab0,
        0x5dc9da3f286d18b1, 0x94b4bf3ab85ed6d8, 0xce65f449e3acc5a3, 0x34b0209642cea639,
        0xc14c3c771d904827, 0x6addcee2bd9cdee5, 0xe24eed137ffbb613, 0x75dd58ef79963d1b,
        0xfdb83ecf6cc24920, 0x7a1d0057c57169fb, 0x339200f4feb62d07, 0xd33f4d4ac88469f4,
        0x8226f234e68dfee4, 0x320def4f2a105536, 0x7786f3b13aefc159, 0xb28225ac9df63ee2,
        0x781b9d0376cc6044, 0x05bd0115226c6ab6, 0xd302230207bdfdab, 0xdb898abd8e0d2933,
        0x9e79a397ba00b9cc, 0x89df84a5f0003ee8, 0x011f04f2a75fb9be, 0x5a5832bb47bcf19e,
};

size_t chunker_next(Chunker *c, const uint8_t *data, size_t size, bool *ret_end) {
        size_t i = 0, limit;
        uint64_t hash = c->hash;

        /* The window of the hash is 64 bytes: what lies further before the first possible end has no influence. */
        if (c->size + 64 < CHUNK_MIN)
                i = MIN(size, CHUNK_MIN - 64 - c->size);
        for (uint64_t mask = MASK_BEFORE;; mask = MASK_AFTER) {
                size_t end = mask == MASK_BEFORE ? CHUNK_AVERAGE : CHUNK_MAX;

                limit = c->size < end ? MIN(size, end - c->size) : 0;
                for (; i < limit; i++) {
                        hash = (hash << 1) + gear[data[i]];
                        if (!(hash & mask) && c->size + i + 1 >= CHUNK_MIN) {
                                *c = (Chunker) {};
                                *ret_end = true;
                                return i + 1;
                        }
                }
                if (mask == MASK_AFTER)
                        break;
        }
        *ret_end = c->size + i == CHUNK_MAX;
        *c = *ret_end ? (Chunker) {} : (Chunker) { .hash = hash, .size = c->size + i };
        return i;
}
