<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

/** Version => statements. Each can be run again, since a run can be cut short before its version is noted. */
return [
    1 => [
        'CREATE TABLE IF NOT EXISTS products (
            id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
            sku VARCHAR(32) NOT NULL UNIQUE,
            name VARCHAR(80) NOT NULL,
            note VARCHAR(160) NOT NULL,
            price_cents INT UNSIGNED NOT NULL,
            vat_permille SMALLINT UNSIGNED NOT NULL
        )',
        "CREATE TABLE IF NOT EXISTS orders (
            id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
            product_id INT UNSIGNED NOT NULL REFERENCES products (id),
            quantity SMALLINT UNSIGNED NOT NULL,
            price_cents INT UNSIGNED NOT NULL,
            vat_permille SMALLINT UNSIGNED NOT NULL,
            status ENUM('queued', 'invoiced') NOT NULL DEFAULT 'queued',
            created_at DATETIME(3) NOT NULL,
            net_cents INT UNSIGNED,
            vat_cents INT UNSIGNED,
            total_cents INT UNSIGNED,
            worker VARCHAR(64),
            invoiced_at DATETIME(3),
            INDEX (created_at),
            INDEX (status, created_at)
        )",
        'CREATE TABLE IF NOT EXISTS ticks (
            id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
            host VARCHAR(64) NOT NULL,
            ticked_at DATETIME(3) NOT NULL,
            count BIGINT UNSIGNED NOT NULL
        )',
        'CREATE TABLE IF NOT EXISTS day_totals (
            day DATE NOT NULL PRIMARY KEY,
            orders INT UNSIGNED NOT NULL,
            invoiced INT UNSIGNED NOT NULL,
            total_cents BIGINT UNSIGNED NOT NULL
        )',
    ],
    2 => [
        "INSERT IGNORE INTO products (sku, name, note, price_cents, vat_permille) VALUES
            ('guji', 'Guji natural', 'Ethiopia. Blueberry, cocoa, jasmine. 250 g.', 1350, 55),
            ('espresso', 'House espresso', 'Brazil and Rwanda. Hazelnut, dark chocolate. 1 kg.', 2890, 55),
            ('decaf', 'Decaf Huila', 'Colombia, sugar-cane process. Caramel, plum. 250 g.', 1280, 55),
            ('filters', 'Filter papers', 'For two to four cups, unbleached. 100 sheets.', 590, 200),
            ('grinder', 'Hand grinder', 'Steel burrs, 36 clicks, 25 g at a time.', 8900, 200),
            ('mug', 'Enamel mug', '300 ml. Made for kitchens, survives camping.', 1450, 200)",
    ],
];
