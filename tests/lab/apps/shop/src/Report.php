<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/**
 * The totals of the latest orders, as a document that is put together in memory: as heavy as it is asked to be.
 *
 * {orders: how many, document_mib: the size of what is put together, wait_ms: how long it takes another service to take it}
 */
final readonly class Report
{
    private const LIMITS = ['orders' => 100_000, 'document_mib' => 1024, 'wait_ms' => 10_000];

    private function __construct(private array $wanted)
    {
    }

    /** From what a client sent: whole numbers, of which all may be missing. */
    public static function wanted(array $input): self
    {
        $wanted = ['orders' => 1000, 'document_mib' => 0, 'wait_ms' => 0];
        foreach (array_intersect_key($input, $wanted) as $name => $value) {
            $number = filter_var($value, FILTER_VALIDATE_INT, ['options' => ['min_range' => 0, 'max_range' => self::LIMITS[$name]]]);
            $wanted[$name] = $number !== false ? $number : throw new HttpError(422, "$name must be a whole number up to " . self::LIMITS[$name] . '.');
        }
        return new self($wanted);
    }

    public function toJson(): string
    {
        return json_encode($this->wanted);
    }

    /** {orders, total_cents, products: {short name: {orders, total_cents}}, memory_mib: what PHP took at most to make it}. */
    public function make(Orders $orders): array
    {
        $products = [];
        foreach ($orders->latest($this->wanted['orders']) as $order) {
            $products[$order['product']] ??= ['orders' => 0, 'total_cents' => 0];
            $products[$order['product']]['orders']++;
            $products[$order['product']]['total_cents'] += $order['total_cents'] ?? 0;
        }
        $document = str_repeat('.', $this->wanted['document_mib'] * 2 ** 20);
        usleep($this->wanted['wait_ms'] * 1000);
        unset($document);
        return [
            'orders' => array_sum(array_column($products, 'orders')),
            'total_cents' => array_sum(array_column($products, 'total_cents')),
            'products' => $products,
            'memory_mib' => intdiv(memory_get_peak_usage(true), 2 ** 20),
        ];
    }
}
