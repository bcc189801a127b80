// Each line on stdin names a HAR file; each line on stdout is {} for a valid one, or what is wrong with it.
const fs = require('fs');
const validate = require('har-validator/lib/promise');

(async () => {
  for (const name of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const said = await validate.har(JSON.parse(fs.readFileSync(name, 'utf8'))).then(() => ({}), (e) => ({ errors: e.errors }));
    console.log(JSON.stringify(said));
  }
})();
