// How the pages are built: a few files below dist/, each beside what gzip makes of it, for the gateway's binary.

import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

/** The most that all files may be, packed. */
const LARGEST = 300 * 1024;

export default defineConfig({
  build: {
    target: "es2022",
    modulePreload: false,
    // `make console` empties the folder: a file in it is part of the repository.
    emptyOutDir: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  resolve: { dedupe: ["@bufbuild/protobuf"] },
  plugins: [{ name: "pack", generateBundle: pack }],
});

function pack(_options, bundle) {
  let size = 0;
  for (const [fileName, file] of Object.entries(bundle)) {
    const source = gzipSync(file.type === "chunk" ? file.code : file.source, { level: 9 });
    size += source.length;
    this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source });
  }
  if (size > LARGEST) this.error(`the pages have ${size} bytes, packed: more than ${LARGEST}`);
  this.info(`${size} bytes, packed`);
}
