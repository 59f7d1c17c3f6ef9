<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// The release step: brings the schema to this release's version.

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../src/bootstrap.php';

$database = (new Services())->database();
// Two releases that start at once must not run the same migration; the lock ends with the connection.
if ($database->query("SELECT GET_LOCK('shop_migrate', 60)")->fetchColumn() !== 1) {
    throw new \RuntimeException('Another migration has been running for a minute.');
}
$database->exec('CREATE TABLE IF NOT EXISTS schema_versions (version INT UNSIGNED NOT NULL PRIMARY KEY, applied_at DATETIME NOT NULL)');
$applied = $database->query('SELECT version FROM schema_versions')->fetchAll(\PDO::FETCH_COLUMN);
$pending = array_diff_key(require __DIR__ . '/../src/migrations.php', array_flip($applied));
foreach ($pending as $version => $statements) {
    foreach ($statements as $statement) {
        $database->exec($statement);
    }
    $database->prepare('INSERT INTO schema_versions VALUES (?, UTC_TIMESTAMP())')->execute([$version]);
    echo "migrate: schema version $version\n";
}
if ($pending === []) {
    echo "migrate: nothing to do\n";
}
