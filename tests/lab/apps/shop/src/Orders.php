<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

use PDO;

/**
 * The orders in the database.
 *
 * An order as returned: {id, product, name, quantity, status: queued|invoiced, created_at, age_seconds, and, null until invoiced,
 * net_cents, vat_cents, total_cents, worker, waited_ms}. Times are UTC.
 */
final class Orders
{
    // In this order of the tables, whatever LIMIT comes: else the server sorts all orders to find the latest.
    private const SELECT = <<<'SQL'
        SELECT o.id, p.sku AS product, p.name, o.quantity, o.status, DATE_FORMAT(o.created_at, '%Y-%m-%dT%TZ') AS created_at,
               TIMESTAMPDIFF(SECOND, o.created_at, UTC_TIMESTAMP(3)) AS age_seconds,
               o.net_cents, o.vat_cents, o.total_cents, o.worker,
               TIMESTAMPDIFF(MICROSECOND, o.created_at, o.invoiced_at) DIV 1000 AS waited_ms
        FROM orders o STRAIGHT_JOIN products p ON p.id = o.product_id
        SQL;

    public function __construct(private readonly PDO $database)
    {
    }

    /** The id of the new order, at today's price; null when there is no such product. */
    public function place(string $product, int $quantity): ?int
    {
        $insert = $this->run(
            'INSERT INTO orders (product_id, quantity, price_cents, vat_permille, created_at)
             SELECT id, ?, price_cents, vat_permille, UTC_TIMESTAMP(3) FROM products WHERE sku = ?',
            [$quantity, $product],
        );
        return $insert->rowCount() === 1 ? (int) $this->database->lastInsertId() : null;
    }

    /** The order as invoiced; null when it is gone or another worker was quicker. Doing it twice changes nothing. */
    public function invoice(int $id, string $worker): ?array
    {
        $order = $this->run('SELECT quantity, price_cents, vat_permille FROM orders WHERE id = ?', [$id])->fetch();
        if ($order === false) {
            return null;
        }
        $invoice = new Invoice($order['quantity'], $order['price_cents'], $order['vat_permille']);
        $update = $this->run(
            "UPDATE orders SET status = 'invoiced', net_cents = ?, vat_cents = ?, total_cents = ?, worker = ?, invoiced_at = UTC_TIMESTAMP(3)
             WHERE id = ? AND status = 'queued'",
            [$invoice->netCents, $invoice->vatCents, $invoice->totalCents, $worker, $id],
        );
        return $update->rowCount() === 1 ? $this->find($id) : null;
    }

    public function find(int $id): ?array
    {
        return $this->run(self::SELECT . ' WHERE o.id = ?', [$id])->fetch() ?: null;
    }

    /** Newest first. */
    public function latest(int $count): array
    {
        return $this->run(self::SELECT . ' ORDER BY o.id DESC LIMIT ?', [$count])->fetchAll();
    }

    /** Ids of the orders, oldest first, that no worker has invoiced for this long. */
    public function overdue(int $seconds): array
    {
        return $this->run(
            "SELECT id FROM orders WHERE status = 'queued' AND created_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND ORDER BY id",
            [$seconds],
        )->fetchAll(PDO::FETCH_COLUMN);
    }

    private function run(string $sql, array $values): \PDOStatement
    {
        $statement = $this->database->prepare($sql);
        $statement->execute($values);
        return $statement;
    }
}
