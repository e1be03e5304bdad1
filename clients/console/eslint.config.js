// How the code is checked: by the rules of the client.

import shared from "../typescript/eslint.config.js";

const parserOptions = { project: ["tsconfig.json", "tsconfig.tests.json"], tsconfigRootDir: import.meta.dirname };

export default shared.map((each) => ({
  ...each,
  ...(each.files && { files: ["**/*.ts", "**/*.tsx"] }),
  ...(each.languageOptions?.parserOptions && { languageOptions: { ...each.languageOptions, parserOptions } }),
}));
