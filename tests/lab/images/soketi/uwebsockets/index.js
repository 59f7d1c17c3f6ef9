module.exports = require(`./dist/bin/uws_${process.platform}_${process.arch}_${process.versions.modules}.node`);
